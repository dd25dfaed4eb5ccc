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

-- Requests to an upstream with TLS of its own, which is not the mesh's, go on in a location of their own: nginx has the protocols that it
-- offers and the way it checks certificates for each location. So do those with TLS of the mesh that ask for a name of their own.

local core = require("apisix.core")
local ctxdump = require("resty.ctxdump")
local ngx = ngx
local get_phase = ngx.get_phase

local _M = {}

-- The locations of requests without retries; those with some go on in locations of mesh-retry's.
local LOCATIONS = {tls = {http = "@mesh_tls", grpc = "@mesh_tls_grpc"}, mtls = {http = "@mesh_mtls", grpc = "@mesh_mtls_grpc"}}

-- exec goes on in a location, which gets the request's context back.
function _M.exec(location)
    ngx.var.ctx_ref = ctxdump.stash_ngx_ctx()
    return ngx.exec(location)
end

-- go lets the request at hand go on in a location; what APISIX does after its plugins is done here.
local function go(ctx, protocol)
    local kind = ctx.mesh_origination
    ctx.mesh_tls_location = kind
    if not ctx._resp_source then
        ctx._apisix_proxied = true
    end
    return _M.exec(LOCATIONS[kind][protocol])
end

-- last comes after the plugins of a request, as if it were one of them.
local last = {name = "mesh-tls"}

function last.before_proxy(_, ctx)
    if get_phase() == "balancer" or ctx.bypass_nginx_upstream or ctx.dubbo_proxy_enabled then
        return
    end
    -- It has nothing to do with further tries.
    local plugins = ctx.plugins
    plugins[#plugins] = nil
    plugins[#plugins] = nil
    local scheme = ctx.upstream_scheme
    return go(ctx, (scheme == "grpc" or scheme == "grpcs") and "grpc" or "http")
end

local CONF = {}

-- follow has the request at hand go on in its location when its plugins are done. ctx.mesh_origination is the kind of it, "tls" or "mtls".
function _M.follow(ctx, kind)
    if ctx.mesh_origination then
        -- A further try.
        return
    end
    ctx.mesh_origination = kind
    local plugins = ctx.plugins
    if not plugins then
        core.log.error("a request without plugins cannot go to an upstream with TLS of its own")
        return
    end
    plugins[#plugins + 1], plugins[#plugins + 2] = last, CONF
end

return _M
