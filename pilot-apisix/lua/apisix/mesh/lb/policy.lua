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

-- How one of a list of hosts is chosen, as by Envoy's load balancers of the same names.

local edf = require("apisix.mesh.lb.edf")
local setmetatable = setmetatable

local _M = {}

-- The weights at random do not count: so it is on Envoy.
local random = {}
random.__index = random

function random.pick(self)
    local hosts = self.hosts
    return hosts[self.random(#hosts)]
end

local round_robin = {}
round_robin.__index = round_robin

function round_robin.pick(self)
    local i = self.last % #self.hosts + 1
    self.last = i
    return self.hosts[i]
end

-- The better of two that are taken by chance.
local least_request = {}
least_request.__index = least_request

function least_request.pick(self)
    local hosts, rand = self.hosts, self.random
    local a, b = hosts[rand(#hosts)], hosts[rand(#hosts)]
    if b.load.active < a.load.active then
        return b
    end
    return a
end

local function equal(hosts)
    for i = 2, #hosts do
        if hosts[i].weight ~= hosts[1].weight then
            return false
        end
    end
    return true
end

-- new chooses among hosts of {weight=, load={active=}} by the policy random, round_robin or least_request. factor(host), or nil,
-- is what the weight of a host is multiplied by for now. rand is math.random.
function _M.new(policy, hosts, rand, factor)
    if policy == "random" then
        return setmetatable({hosts = hosts, random = rand}, random)
    end
    local requests = policy == "least_request"
    if not factor and equal(hosts) then
        if requests then
            return setmetatable({hosts = hosts, random = rand}, least_request)
        end
        return setmetatable({hosts = hosts, last = #hosts > 0 and rand(#hosts) or 0}, round_robin)
    end
    local scheduler = edf.new(hosts, function(host)
        local weight = host.weight
        if requests then
            weight = weight / (host.load.active + 1)
        end
        if factor then
            weight = weight * factor(host)
        end
        return weight
    end)
    return #hosts > 1 and scheduler:skip(rand(#hosts) - 1) or scheduler
end

return _M
