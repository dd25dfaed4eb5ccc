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

-- What a plugin works out once per configuration and keeps for as long as APISIX keeps that configuration.

local setmetatable = setmetatable

local _M = {}

-- new(build) is a function conf -> build(conf) that remembers. What build returns must not refer to conf itself: a weak
-- table does not let go of a key that its own value holds.
function _M.new(build)
    local built = setmetatable({}, {__mode = "k"})
    return function(conf)
        local result = built[conf]
        if result == nil then
            result = build(conf)
            built[conf] = result
        end
        return result
    end
end

return _M
