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

-- What nginx's variables say of each try of a request.

local gmatch = string.gmatch
local match = string.match
local tonumber = tonumber

local _M = {}

-- nth is the part of a variable such as upstream_status ("502, 200") for the nth try; nil for what is not there or "-".
function _M.nth(text, n)
    if not text then
        return nil
    end
    if n == 1 then
        local value = tonumber(text)
        if value then
            return value
        end
    end
    for part in gmatch(text, "[^,:%s]+") do
        n = n - 1
        if n == 0 then
            return tonumber(part)
        end
    end
    return nil
end

-- last is the part for the last try that has ended; nil for what is not there or "-". Of the one that is about to begin, nginx has
-- nothing but a colon.
function _M.last(text)
    return text and tonumber(match(text, "([^,:%s]+)[,:%s]*$"))
end

return _M
