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

-- Tells protocols apart by the first bytes of a connection, as Envoy's listener filters do (tls_inspector, http_inspector).

local byte = string.byte
local find = string.find
local match = string.match
local sub = string.sub

local _M = {}

-- MOST is how many bytes of a request line are looked at (Envoy's MaxInspectSize).
local MOST = 8192

local PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

local METHODS = {}
for method in ("ACL BIND CHECKOUT CONNECT COPY DELETE GET HEAD LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MOVE M-SEARCH NOTIFY OPTIONS "
    .. "PATCH POST PROPFIND PROPPATCH PURGE PUT REBIND REPORT SEARCH SOURCE SUBSCRIBE TRACE UNBIND UNLINK UNLOCK UNSUBSCRIBE"):gmatch("%S+") do
    METHODS[method] = true
end

-- starts says whether one of the methods begins like this.
local function starts(text)
    for method in pairs(METHODS) do
        if sub(method, 1, #text) == text then
            return true
        end
    end
    return false
end

-- http says whether data is the beginning of a request of HTTP/1.1 or of HTTP/2; nil when more bytes have to be seen. Istio takes
-- HTTP/1.0 for TCP.
function _M.http(data)
    local first = byte(data)
    if not first or first < 65 or first > 90 then
        return first and false
    end
    if sub(PREFACE, 1, #data) == sub(data, 1, #PREFACE) then
        if #data >= #PREFACE then
            return true
        end
        -- PRI is no method, but PROPFIND is.
        if #data > 2 then
            return nil
        end
    end
    local space = find(data, " ", 1, true)
    if not space then
        if starts(data) then
            return nil
        end
        return false
    end
    if not METHODS[sub(data, 1, space - 1)] then
        return false
    end
    local line = match(data, "^([^\r\n]*)\r?\n")
    if not line then
        if #data >= MOST then
            return false
        end
        return nil
    end
    return match(line, "^%S+ %S+ HTTP/1%.1$") ~= nil
end

-- The protocols that a client of the mesh offers: one of those for HTTP, or another one.
local MESH = {
    ["istio"] = "tcp",
    ["istio-peer-exchange"] = "tcp",
    ["istio-http/1.0"] = "http",
    ["istio-http/1.1"] = "http",
    ["istio-h2"] = "http",
}

-- mesh says what the protocols of a ClientHello have of the mesh's: "http", "tcp" or nil.
function _M.mesh(protocols)
    local found
    for i = 1, protocols and #protocols or 0 do
        local kind = MESH[protocols[i]]
        if kind == "http" then
            return kind
        end
        found = found or kind
    end
    return found
end

return _M
