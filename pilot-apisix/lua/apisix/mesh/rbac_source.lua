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

-- What is known of clients, requests and connections, as apisix.mesh.rbac compares it: what the plugins mesh-rbac of HTTP and of streams have in
-- common. A function raises an error where something cannot be told.

local concat = table.concat
local error = error
local find = string.find
local lower = string.lower
local match = string.match
local sub = string.sub
local type = type

local _M = {}

-- principal is the SPIFFE id that mesh-peer found in the client's certificate. nil is plain text.
function _M.principal(ctx)
    local id = ctx.mesh_peer_id
    if id and find(id, "[^\33-\126]") then
        error("the client's id has characters that no id has", 0)
    end
    return id
end

-- token has the claims of the request's token; nil without one.
function _M.token(ctx)
    return ctx.mesh_jwt_claims
end

-- address is an IP address as text. nginx has one of IPv4 in the form of IPv6 where a listener takes both.
function _M.address(text)
    if not text then
        error("there is no address", 0)
    end
    local inner = match(text, "^%[(.*)%]$") or text
    return match(inner, "^::[fF][fF][fF][fF]:(%d+%.%d+%.%d+%.%d+)$") or inner
end

local function trim(text)
    if find(text, "^[ \t]") or find(text, "[ \t]$") then
        return match(text, "^[ \t]*(.-)[ \t]*$")
    end
    return text
end

-- header is what the values of a header are to Envoy; nil where there is none.
function _M.header(value)
    if type(value) ~= "table" then
        return value and trim(value)
    end
    local all = {}
    for i = 1, #value do
        all[i] = trim(value[i])
    end
    return concat(all, ",")
end

-- forwarded is the last address of X-Forwarded-For; nil where there is none.
function _M.forwarded(value)
    local list = _M.header(value)
    if not list or list == "" then
        return nil
    end
    local last = trim(match(list, "([^,]*)$"))
    if not find(last, "^%d+%.%d+%.%d+%.%d+$") and not find(last, "^[%x:%.]*:[%x:%.]*:[%x:%.]*$") then
        error("the last of X-Forwarded-For is no address", 0)
    end
    return last
end

-- server_name is that of a TLS connection; nil for none. Clients of the mesh that are not Envoy ask for the workload in another way.
function _M.server_name(name)
    if not name or name == "" then
        return nil
    end
    if find(name, "._sa.", 1, true) then
        error("the server name is a workload's", 0)
    end
    return lower(name)
end

-- cidrs is resty.ipmatcher's new, with errors that are raised, and addresses too that are none.
function _M.cidrs(new)
    return function(list)
        local matcher, err = new(list)
        if not matcher then
            error(err or "no address ranges")
        end
        return {
            match = function(_, address)
                local found, why = matcher:match(address)
                if why then
                    error(sub(address, 1, 64) .. ": " .. why, 0)
                end
                return found
            end,
        }
    end
end

return _M
