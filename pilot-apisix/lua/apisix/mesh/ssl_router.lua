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

-- The certificate for TLS that is the mesh's: the workload's own, for every server name, and only to clients with a certificate of the
-- mesh. APISIX's own router for certificates does the rest, as before.
--
-- On a gateway that is the TLS of servers in the mode ISTIO_MUTUAL (apisix.mesh.mutual_servers).
--
-- With client certificates APISIX demands that the Host header is the server name, which for services it never is. So this is no
-- object of /apisix/ssls, where the private key would have to be, too.

local ffi = require("ffi")
local identity = require("apisix.mesh.identity")
local mutual_servers = require("apisix.mesh.mutual_servers")
local ssl = require("ngx.ssl")
local core = require("apisix.core")
require("resty.openssl.include.ssl")
local C = ffi.C
local get_phase = ngx.get_phase
local ipairs = ipairs
local md5_bin = ngx.md5_bin
local tostring = tostring

-- Others may have declared this.
pcall(ffi.cdef, "int SSL_set_session_id_context(SSL *ssl, const unsigned char *context, unsigned int length);")

local _M = {}

-- matched stands for an object of /apisix/ssls.
local matched = {value = {id = "mesh"}}

local ports

local function is_mesh()
    if not ports then
        ports = {}
        for _, port in ipairs(core.table.try_read_attr(core.config.local_conf(), "plugin_attr", "mesh", "tls_ports") or {}) do
            ports[port] = true
        end
    end
    return ports[ssl.server_port()]
end

-- apart keeps the TLS sessions of a server apart from those of others, since a session that is taken up again is not verified: with another
-- server the client may have shown nothing, or a certificate that means nothing to this one.
local function apart(server)
    local pointer, err = ssl.get_req_ssl_pointer()
    if not pointer then
        return nil, err
    end
    local context = md5_bin(server)
    return C.SSL_set_session_id_context(ffi.cast("SSL *", pointer), context, #context) == 1, "OpenSSL takes no context of sessions"
end

local function serve()
    local own, err = identity.get()
    if not own then
        return false, err
    end
    local ok
    ok, err = ssl.clear_certs()
    if ok then
        ok, err = ssl.set_cert(own.cert)
    end
    if ok then
        ok, err = ssl.set_priv_key(own.key)
    end
    if ok then
        -- A client without a certificate of the mesh does not get past the handshake.
        ok, err = ssl.verify_client(own.roots, 5, nil, true)
    end
    return ok, err
end

-- install wraps a router for certificates.
function _M.install(router)
    local match_and_set, set = router.match_and_set, router.set
    function router.match_and_set(ctx, match_only, name)
        if is_mesh() then
            if get_phase() ~= "ssl_client_hello" then
                -- It was all seen to in the handshake.
                return false
            end
            ctx.matched_ssl = matched
            return true
        end
        if get_phase() == "ssl_client_hello" then
            local server = mutual_servers.find(ssl.server_port(), name)
            if server then
                local ok, err = apart("mesh")
                if not ok then
                    return false, err
                end
                ctx.matched_ssl = server
                return true
            end
        end
        local found, err = match_and_set(ctx, match_only, name)
        local server = found and get_phase() == "ssl_client_hello" and ctx.matched_ssl
        if server then
            local ok
            ok, err = apart("ssls/" .. tostring(server.value.id))
            if not ok then
                return false, err
            end
        end
        return found, err
    end
    function router.set(object, name)
        if object == matched or mutual_servers.has(object) then
            return serve()
        end
        return set(object, name)
    end
end

return _M
