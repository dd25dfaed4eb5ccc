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

-- RE2's GlobalReplace, which Envoy rewrites paths with: unlike in ngx.re.gsub an empty match at the end of another is none, so
-- that ".*" is replaced once.

local concat = table.concat
local find = string.find
local sub = string.sub
local tonumber = tonumber

local _M = {}

-- parse takes a substitution apart: texts, and the numbers of groups. "$1" and "${1}" are the first one, "$$" is a dollar.
function _M.parse(substitution)
    local parts, n, from = {}, 0, 1
    while true do
        local at = find(substitution, "$", from, true)
        local text = sub(substitution, from, at and at - 1)
        if text ~= "" then
            n = n + 1
            parts[n] = text
        end
        if not at then
            return parts
        end
        n = n + 1
        local _, stop, group = find(substitution, "^{(%d+)}", at + 1)
        if not group then
            _, stop, group = find(substitution, "^(%d+)", at + 1)
        end
        if group then
            parts[n] = tonumber(group)
        elseif sub(substitution, at + 1, at + 1) == "$" then
            stop = at + 1
            parts[n] = "$"
        else
            return nil, "a $ is not followed by the number of a group"
        end
        from = stop + 1
    end
end

-- replace puts the parts in the place of every match. match(text, position) gives the groups of the first match from there,
-- the match itself as [0], and the position behind it; or nil.
function _M.replace(text, match, parts)
    local out, n = {}, 0
    local position, last, size = 1, nil, #text
    while position <= size + 1 do
        local groups, behind = match(text, position)
        if not groups then
            break
        end
        local begin = behind - #groups[0]
        if begin > position then
            n = n + 1
            out[n] = sub(text, position, begin - 1)
        end
        if begin == last and behind == begin then
            n = n + 1
            out[n] = sub(text, begin, begin)
            position = begin + 1
        else
            for i = 1, #parts do
                local part = parts[i]
                if type(part) == "number" then
                    part = groups[part] or ""
                end
                n = n + 1
                out[n] = part
            end
            position, last = behind, behind
        end
    end
    return concat(out) .. sub(text, position)
end

return _M
