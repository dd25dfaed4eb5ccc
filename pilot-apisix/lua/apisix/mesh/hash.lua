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

-- The key of a consistent hash, and the cookie that makes one, as Envoy's hash policies have them.

local concat = table.concat
local ipairs = ipairs

local _M = {}

-- key puts together what the request has of a route's keys; nil when it has none of them. read(kind, name) gives a value or
-- nil.
function _M.key(keys, read)
    local found, n = {}, 0
    for _, k in ipairs(keys) do
        local value
        if k.header then
            value = read("header", k.header)
        elseif k.query then
            value = read("query", k.query)
        elseif k.cookie then
            value = read("cookie", k.cookie)
        else
            value = read("source_ip")
        end
        if value then
            n = n + 1
            found[n] = value
        end
    end
    if n == 0 then
        return nil
    end
    return concat(found, "\0")
end

-- set_cookie is the value of a Set-Cookie header.
function _M.set_cookie(cookie, value)
    local parts = {cookie.name .. '="' .. value .. '"'}
    if cookie.ttl > 0 then
        parts[#parts + 1] = "Max-Age=" .. cookie.ttl
    end
    if cookie.path then
        parts[#parts + 1] = "Path=" .. cookie.path
    end
    for _, a in ipairs(cookie.attributes or {}) do
        parts[#parts + 1] = a.value and a.value ~= "" and (a.name .. "=" .. a.value) or a.name
    end
    parts[#parts + 1] = "HttpOnly"
    return concat(parts, "; ")
end

return _M
