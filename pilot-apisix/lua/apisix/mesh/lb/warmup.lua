-- Copyright The pilot-apisix Authors
--
-- Licensed under the Apache License, Version 2.0 (the "License");
-- you may not use this file except in compliance with the License.
-- You may obtain a copy of the License at
--
--     http://www.apache.org/licenses/LICENSE-2.0
--
-- Unless required by applicable law or agreed to in writing, software
-- distributed under the License is distributed on an "AS IS" BASIS,
-- WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
-- See the License for the specific language governing permissions and
-- limitations under the License.

-- Istio's warmup, Envoy's slow start: a new endpoint's weight grows to its full one.

local max = math.max

-- What Envoy counts the age of an endpoint as at least, in seconds.
local LEAST_AGE = 0.001

local _M = {}

-- factor is what the weight of an endpoint of this age is multiplied by. conf has duration (in seconds), aggression and
-- minimum_percent.
function _M.factor(conf, age)
    if age >= conf.duration then
        return 1
    end
    local share = max(LEAST_AGE, age) / conf.duration
    if conf.aggression > 0 and conf.aggression ~= 1 then
        share = share ^ (1 / conf.aggression)
    end
    return max(share, conf.minimum_percent / 100)
end

-- note sets since of each host, which is when it was first met, and forgets those that are gone. store is shared by the
-- worker processes; gone are addresses.
function _M.note(store, name, hosts, gone, now)
    for i = 1, #hosts do
        local h = hosts[i]
        local key = "since|" .. name .. "|" .. h.addr
        store:add(key, now)
        h.since = store:get(key) or now
    end
    for i = 1, #gone do
        store:delete("since|" .. name .. "|" .. gone[i])
    end
end

return _M
