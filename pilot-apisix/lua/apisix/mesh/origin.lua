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

-- Which origins a CORS policy allows.

local sub = string.sub

local _M = {}

-- plan sorts the matchers by their cost. matches(subject, regex) says whether a PCRE matches.
function _M.plan(allow_origins, matches)
    local p = {exact = {}, prefixes = {}, regexes = {}}
    for _, m in ipairs(allow_origins or {}) do
        if m.exact then
            p.exact[m.exact] = true
        elseif m.prefix then
            p.prefixes[#p.prefixes + 1] = m.prefix
        else
            p.regexes[#p.regexes + 1] = m.regex
        end
    end
    -- To Envoy, what would allow an origin named "*" allows every origin.
    p.all = _M.allowed(p, "*", matches)
    return p
end

function _M.allowed(plan, origin, matches)
    if plan.all or plan.exact[origin] then
        return true
    end
    local prefixes = plan.prefixes
    for i = 1, #prefixes do
        local prefix = prefixes[i]
        if sub(origin, 1, #prefix) == prefix then
            return true
        end
    end
    local regexes = plan.regexes
    for i = 1, #regexes do
        if matches(origin, regexes[i]) then
            return true
        end
    end
    return false
end

return _M
