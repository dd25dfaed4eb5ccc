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

-- The way of a copied request to an upstream whose connections are secured, or that speaks HTTP/2. A timer can send by itself in plain HTTP/1.1
-- only: it cannot offer protocols, by which sidecars tell the mesh's TLS, nor compare names as those of an upstream must be. So it sends the copy to a server
-- of nginx's own, at a unix socket, from which it goes on like every other request.

local core = require("apisix.core")
local balancer = require("apisix.balancer.mesh")
local origination = require("apisix.mesh.origination")
local router = require("apisix.router")
local shadow = require("apisix.mesh.shadow")
local upstream = require("apisix.upstream")
local upstream_tls = require("apisix.mesh.upstream_tls")
local ngx = ngx
local random = math.random
local setmetatable = setmetatable

-- The header that says which upstream a copy is for.
local HEADER = "x-mesh-mirror"

local _M = {HEADER = HEADER}

local socket

-- socket is the server's, as a host to connect to; nil where there is none.
function _M.socket()
    if socket == nil then
        local path = core.table.try_read_attr(core.config.local_conf(), "plugin_attr", "mesh", "mirror")
        socket = path and "unix:" .. path or false
    end
    return socket or nil
end

-- needed says that a copy for an upstream must take this way.
function _M.needed(up)
    return upstream_tls.settings(up) ~= nil or up.scheme == "grpc" or up.scheme == "grpcs"
end

-- A copy is sent once.
local once = setmetatable({}, {__mode = "k"})

local function without_retries(up)
    local wrapped = once[up]
    if not wrapped then
        wrapped = setmetatable({retries = 0}, {__index = up})
        once[up] = wrapped
    end
    return wrapped
end

local function pick(up)
    if up.type == "mesh" then
        return balancer.pick(up)
    end
    return up.nodes and shadow.pick(up.nodes, random)
end

local LOCATIONS = {
    tls = {http = "@mesh_mirror_tls", grpc = "@mesh_mirror_tls_grpc"},
    mtls = {http = "@mesh_mirror_mtls", grpc = "@mesh_mirror_mtls_grpc"},
    other = {grpc = "@mesh_mirror_grpc"},
}

-- access is what becomes of a copy that has come to the server.
function _M.access()
    local id = ngx.var.http_x_mesh_mirror
    ngx.req.clear_header(HEADER)
    local up = id and upstream.get_by_id(id)
    local node = up and pick(up)
    if not node then
        return ngx.exit(503)
    end
    local ctx = {
        plugins = {},
        upstream_conf = without_retries(up),
        upstream_scheme = up.scheme or "http",
        picked_server = {host = node.host, port = node.port},
    }
    core.ctx.set_vars_meta(ctx)
    local tls = upstream_tls.settings(up)
    local kind = tls and not upstream_tls.plain(ctx, up, tls, node.host, node.port) and upstream_tls.kind(tls)
    if kind then
        ctx.mesh_tls_location = kind
        local cert_id = up.tls and up.tls.client_cert_id
        ctx.upstream_ssl = cert_id and router.router_ssl.get_by_id(cert_id)
    elseif tls then
        upstream_tls.prepare(ctx, node)
    end
    ngx.var.upstream_scheme = ctx.upstream_scheme
    ngx.ctx.api_ctx = ctx
    local grpc = ctx.upstream_scheme == "grpc" or ctx.upstream_scheme == "grpcs"
    local location = LOCATIONS[kind or "other"][grpc and "grpc" or "http"]
    if location then
        return origination.exec(location)
    end
end

return _M
