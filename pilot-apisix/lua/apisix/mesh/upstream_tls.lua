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

-- Secures the connections to the nodes of an upstream that says so in discovery_args.mesh_tls. With mutual TLS of the mesh, the proxy shows
-- the workload's certificate, and nginx compares the one that it is shown with a DNS name: that of the upstream, or of the node. Nodes
-- without a sidecar are spoken to in plain text. With TLS of the upstream's own, which a DestinationRule asks for, and where the mesh's asks for
-- another server name than the one that is proved, apisix.mesh.verify compares.

local alpn = require("apisix.mesh.alpn")
local core = require("apisix.core")
local files = require("apisix.mesh.files")
local identity = require("apisix.mesh.identity")
local is_http = ngx.config.subsystem == "http"
local apisix_ssl = require("apisix.ssl")
local ngx_ssl = require("ngx.ssl")
local nginx = is_http and require("resty.apisix.upstream") or require("resty.apisix.stream.upstream")
local origination = is_http and require("apisix.mesh.origination")
local stream_server = not is_http and require("apisix.mesh.stream_server")
local verify = require("apisix.mesh.verify")
local ipairs = ipairs
local md5 = ngx.md5
local ngx_var = ngx.var
local setmetatable = setmetatable
local string = string

local _M = {}

-- What nodes are to prove by their addresses, for each list of nodes that differ in it: a name, or false for those that speak plain text.
local names = setmetatable({}, {__mode = "k"})

local function names_of(nodes)
    local known = names[nodes]
    if not known then
        known = {}
        for _, node in ipairs(nodes) do
            local meta = node.metadata
            if meta and meta.plain_text then
                known[node.host .. ":" .. node.port] = false
            else
                known[node.host .. ":" .. node.port] = meta and meta.peer
            end
        end
        names[nodes] = known
    end
    return known
end

-- settings are what an upstream says of TLS, or nil.
function _M.settings(up)
    local args = up.discovery_args
    return args and args.mesh_tls
end

-- own says that the settings are the upstream's own, and not the mesh's.
function _M.own(tls)
    return tls.mode ~= "ISTIO_MUTUAL"
end

-- kind is of the locations and servers of nginx's that the settings need, "tls" or "mtls"; nil for those that there are anyway.
function _M.kind(tls)
    return _M.own(tls) and "tls" or tls.sni and "mtls" or nil
end

-- plain says that a node speaks plain text, whatever the others of its upstream do.
function _M.plain(ctx, up, tls, host, port)
    if not tls.mixed then
        return false
    end
    local addr, chosen = host .. ":" .. port, ctx.mesh_host
    if chosen and chosen.addr == addr then
        -- It may stand for a DNS name, and is not listed by its address then.
        return chosen.plain
    end
    return names_of(up.nodes)[addr] == false
end

-- peer is the name that the node must prove.
function _M.peer(up, tls, host, port)
    return tls.peer or names_of(up.nodes)[host .. ":" .. port]
end

local PLAIN = {https = "http", grpcs = "grpc"}

-- The servers in nginx's configuration for connections that are not HTTP.
local SERVERS = {tls = "mesh-tls", mtls = "mesh-mtls"}

-- prepare decides, while that can still be done, how a request or a connection goes on to the node that was chosen for it.
function _M.prepare(ctx, node)
    local up = ctx.upstream_conf
    local tls = up and _M.settings(up)
    if not tls then
        return
    end
    if _M.plain(ctx, up, tls, node.host, node.port) then
        if is_http then
            local scheme = PLAIN[ctx.upstream_scheme] or "http"
            ctx.upstream_scheme = scheme
            ctx.var.upstream_scheme = scheme
        end
        return
    end
    local kind = _M.kind(tls)
    if not kind then
        return
    end
    if is_http then
        return origination.follow(ctx, kind)
    end
    local ok, err = stream_server.use(SERVERS[kind])
    if not ok then
        core.log.error("a connection cannot be secured: ", err)
    end
    ctx.mesh_tls_location = ok and kind
end

local warned

local function offer(scheme)
    local ok, err
    if is_http then
        ok, err = alpn.http(scheme == "grpcs")
    else
        ok, err = alpn.stream()
    end
    if not ok and not warned then
        warned = true
        core.log.error("Envoy sidecars in PERMISSIVE mode will not know the mesh's TLS, because no protocols are offered: ", err)
    end
end

local ELSEWHERE = "it is on its way through a place in nginx that secures nothing"

-- named has Lua compare the certificate of a node that is asked for a name which is not the one that it must prove.
local function named(ctx, tls, peer)
    if ctx.mesh_tls_location ~= "mtls" then
        return nil, ELSEWHERE
    end
    local trusted, err = verify.authorities({ca_certificates = identity.roots()})
    if not trusted then
        return nil, err
    end
    if ctx.upstream_scheme == "grpcs" and is_http then
        local ok
        ok, err = alpn.originate_grpc(true)
        if not ok then
            return nil, err
        end
    end
    if is_http then
        ngx_var.mesh_peer = tls.sni
    else
        ngx_var.upstream_sni = tls.sni
    end
    ctx.mesh_expected = {trusted = trusted, names = {peer}}
    return true
end

local function mutual(ctx, up, tls, host, port)
    local own, err = identity.get()
    if not own then
        return nil, err
    end
    -- A node that stands for a DNS name is not listed by its addresses.
    local peer = _M.peer(up, tls, host, port) or ctx.mesh_host and ctx.mesh_host.peer
    if not peer then
        return nil, "nobody knows whom to expect at " .. host .. ":" .. port
    end
    local ok
    if tls.sni then
        ok, err = named(ctx, tls, peer)
        if not ok then
            return nil, err
        end
    elseif is_http then
        ngx_var.mesh_peer = peer
    else
        ok, err = nginx.set_tls()
        if not ok then
            return nil, err
        end
        ngx_var.upstream_sni = peer
    end
    ok, err = nginx.set_cert_and_key(own.cert, own.key)
    if not ok then
        return nil, err
    end
    offer(ctx.upstream_scheme)
    return peer .. "#" .. own.version .. (tls.sni and "#" .. tls.sni or "")
end

-- client_certificate shows the upstream's own certificate, from files or from an object of /apisix/ssls; it returns its version.
local function client_certificate(ctx, tls, sni)
    local cert, key, version, err
    if tls.client_certificate then
        cert, version = files.get(tls.client_certificate, ngx_ssl.parse_pem_cert)
        if not cert then
            return nil, version
        end
        key, err = files.get(tls.private_key, ngx_ssl.parse_pem_priv_key)
        if not key then
            return nil, err
        end
        version = version .. "#" .. err
    else
        local object = ctx.upstream_ssl
        if not object then
            return nil, "its certificate has not come yet"
        end
        cert, err = apisix_ssl.fetch_cert(sni, object.cert)
        if not cert then
            return nil, err
        end
        key, err = apisix_ssl.fetch_pkey(sni, object.key)
        if not key then
            return nil, err
        end
        version = md5(object.cert)
    end
    local ok
    ok, err = nginx.set_cert_and_key(cert, key)
    return ok and version, err
end

-- host_of is the host of a Host header without its port.
local function host_of(header)
    if not header then
        return ""
    end
    return string.match(header, "^%[([^%]]*)%]") or string.match(header, "^[^:]*")
end

-- The settings of upstreams as one short text each.
local digests = setmetatable({}, {__mode = "k"})

local function digest_of(tls)
    local known = digests[tls]
    if not known then
        known = md5(core.json.stably_encode(tls))
        digests[tls] = known
    end
    return known
end

local function originate(ctx, tls)
    if ctx.mesh_tls_location ~= "tls" then
        return nil, ELSEWHERE
    end
    local expected, version, err = {names = tls.subject_alt_names}, "", nil
    if not tls.insecure_skip_verify then
        expected.trusted, version = verify.authorities(tls)
        if not expected.trusted then
            return nil, version
        end
    end
    local sni = tls.sni
    if is_http then
        local host = host_of(ctx.var.upstream_host)
        -- nginx asks for no address.
        sni = sni or (string.find(host, ":", 1, true) and "" or host)
        if tls.verify_host then
            expected.host = host
        end
        ngx_var.mesh_peer = sni
    else
        sni = sni or ""
        ngx_var.upstream_sni = sni
    end
    if ctx.upstream_scheme == "grpcs" and is_http then
        local ok
        ok, err = alpn.originate_grpc()
        if not ok then
            return nil, err
        end
    end
    local shown = ""
    if tls.mode == "MUTUAL" then
        shown, err = client_certificate(ctx, tls, sni)
        if not shown then
            return nil, err
        end
    end
    ctx.mesh_expected = expected
    return core.table.concat({sni, expected.host or "", digest_of(tls), version, shown}, "#")
end

-- secure prepares the connection to a node that the balancer has chosen. It is nil with a reason when it must not be made, else what
-- connections have to have in common to be shared.
function _M.secure(ctx, up, tls, host, port)
    if _M.own(tls) then
        return originate(ctx, tls)
    end
    return mutual(ctx, up, tls, host, port)
end

return _M
