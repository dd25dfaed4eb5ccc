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
-- the workload's certificate, and nginx compares the one that it is shown with a DNS name: that of the upstream, or of the node.

local alpn = require("apisix.mesh.alpn")
local core = require("apisix.core")
local identity = require("apisix.mesh.identity")
local ipairs = ipairs
local ngx_var = ngx.var
local rawget = rawget
local setmetatable = setmetatable

local is_http = ngx.config.subsystem == "http"
local nginx = is_http and require("resty.apisix.upstream") or require("resty.apisix.stream.upstream")

local _M = {}

-- The names of nodes by their addresses, for each list of nodes that differ in them.
local names = setmetatable({}, {__mode = "k"})

local function names_of(nodes)
    local known = names[nodes]
    if not known then
        known = {}
        for _, node in ipairs(nodes) do
            known[node.host .. ":" .. node.port] = node.metadata and node.metadata.peer
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

-- peer is the name that the node must prove.
function _M.peer(up, tls, host, port)
    return tls.peer or names_of(up.nodes)[host .. ":" .. port]
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

-- secure prepares the connection to a node that the balancer has chosen. It is nil with a reason when it must not be made, else what
-- connections have to have in common to be shared.
function _M.secure(ctx, up, tls, host, port)
    local own, err = identity.get()
    if not own then
        return nil, err
    end
    -- A node that stands for a DNS name is not listed by its addresses.
    local peer = _M.peer(up, tls, host, port) or ctx.mesh_host and ctx.mesh_host.peer
    if not peer then
        return nil, "nobody knows whom to expect at " .. host .. ":" .. port
    end
    if is_http then
        ngx_var.mesh_peer = peer
    else
        local ok
        ok, err = nginx.set_tls()
        if not ok then
            return nil, err
        end
        ngx_var.upstream_sni = peer
    end
    local ok
    ok, err = nginx.set_cert_and_key(own.cert, own.key)
    if not ok then
        return nil, err
    end
    offer(ctx.upstream_scheme)
    return peer .. "#" .. own.version
end

return _M
