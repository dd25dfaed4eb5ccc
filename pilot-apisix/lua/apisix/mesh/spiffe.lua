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

-- Who a client is: the SPIFFE id in its certificate.

local lrucache = require("resty.lrucache")
local x509 = require("resty.openssl.x509")
local ngx_var = ngx.var
local match = string.match

local _M = {}

-- Connections have numbers that are not used again.
local ids = lrucache.new(4096)

local function read(pem)
    local cert, err = x509.new(pem)
    if not cert then
        return nil, err
    end
    local names
    names, err = cert:get_subject_alt_name()
    if not names then
        return nil, err or "it names nobody"
    end
    local found
    local next_name = names:each()
    local kind, value = next_name()
    while kind do
        if kind == "URI" then
            -- As SPIFFE demands, there is one only.
            if found then
                return nil, "it has several URIs"
            end
            found = value
        end
        kind, value = next_name()
    end
    return found, "it has no SPIFFE id"
end

-- trust_domain is that of an id, or nil.
function _M.trust_domain(id)
    return match(id, "^spiffe://([^/]+)/")
end

-- peer is the SPIFFE id of the client of the connection at hand; nil with false for plain text, or with a reason why its certificate is none of the mesh's.
function _M.peer()
    local number = ngx_var.connection
    local known = ids:get(number)
    if known then
        return known
    end
    local pem = ngx_var.ssl_client_raw_cert
    if not pem or pem == "" then
        return nil, false
    end
    -- The handshake has checked whose it is, for as long as the connection lives.
    if ngx_var.ssl_client_verify ~= "SUCCESS" then
        return nil, "the client's certificate is not the mesh's: " .. (ngx_var.ssl_client_verify or "")
    end
    local id, err = read(pem)
    if not id then
        return nil, "the client's certificate: " .. err
    end
    ids:set(number, id)
    return id
end

return _M
