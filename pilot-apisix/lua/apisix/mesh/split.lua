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

-- Shares among weighted destinations, for the plugins mesh-split of HTTP and of streams.

local roundrobin = require("resty.roundrobin")
local ipairs = ipairs

local _M = {}

-- picker finds positions of destinations by their weights; nil without any weight, when the first destination takes everything.
function _M.picker(destinations)
    local weights, some = {}, false
    for i, d in ipairs(destinations) do
        if d.weight > 0 then
            weights[i] = d.weight
            some = true
        end
    end
    return some and roundrobin:new(weights) or nil
end

return _M
