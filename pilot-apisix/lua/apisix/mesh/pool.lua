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

-- What is done to every connection to a server, in the place of nginx's function that APISIX's balancer calls. Connections are kept by destination. Those
-- that come from another address than the proxy's own are kept apart: iptables treats the two differently, so that one is no substitute
-- for the other. So are those that are secured in different ways.

local balancer = require("ngx.balancer")
local core = require("apisix.core")
local upstream_tls = require("apisix.mesh.upstream_tls")
local ngx = ngx
local ngx_var = ngx.var

local _M = {}

-- Where nobody can listen: a connection that must not be made fails there like any other, and is repeated and counted as such. With no
-- peer at all nginx would have no status for the try, which APISIX's header filter stumbles over.
local NOBODY = "unix:/dev/null"

-- socket is "unix:" and the path of the node that our balancer has chosen, or nil where that has an address.
local function socket(ctx, host, port)
    local chosen = ctx and ctx.mesh_host
    local path = chosen and chosen.node and chosen.node.unix
    return path and chosen.addr == host .. ":" .. port and "unix:" .. path or nil
end

-- install wraps what APISIX's balancer calls, and what it is asked for before a request goes on its way.
function _M.install(module)
    local pick_server = module.pick_server
    function module.pick_server(route, ctx)
        local server, err = pick_server(route, ctx)
        if server then
            upstream_tls.prepare(ctx, server)
        end
        return server, err
    end
    local set_current_peer = balancer.set_current_peer
    function balancer.set_current_peer(host, port, opts)
        local ctx = ngx.ctx.api_ctx
        local up = ctx and ctx.upstream_conf
        local tls = up and upstream_tls.settings(up)
        local pool = opts and opts.pool
        if tls and upstream_tls.plain(ctx, up, tls, host, port) then
            pool = pool and (ctx.upstream_scheme or "") .. "#" .. host .. ":" .. port
        elseif tls then
            local secured, err = upstream_tls.secure(ctx, up, tls, host, port)
            if not secured then
                core.log.error("no connection to ", host, ":", port, ": ", err)
                return set_current_peer(NOBODY)
            end
            pool = pool and (ctx.upstream_scheme or "") .. "#" .. host .. ":" .. port .. "#" .. secured
        end
        local path = socket(ctx, host, port)
        if path then
            -- To the same port of other upstreams there may be other sockets.
            pool = pool and pool .. "#" .. path
            host, port = path, nil
        end
        if pool then
            local source = ngx_var.upstream_source
            if source and source ~= "" then
                pool = pool .. "#" .. source
            end
            opts.pool = pool
        end
        return set_current_peer(host, port, opts)
    end
end

return _M
