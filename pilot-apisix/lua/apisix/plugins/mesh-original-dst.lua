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

-- Forwards to the original destination of a captured connection, as Envoy's ORIGINAL_DST clusters do: hosts outside of the
-- mesh, headless services, the load balancer PASSTHROUGH. A connection that was not captured goes where the route says
-- besides.

local core = require("apisix.core")
local upstream = require("apisix.upstream")
-- For connection_original_dst.
require("apisix.mesh.http_dst")
local memo = require("apisix.mesh.memo")
local original_dst = require("apisix.mesh.original_dst")

-- Seconds without end, as for the upstreams of the mesh.
local NO_TIMEOUT = 24 * 60 * 60

local schema = original_dst.schema

local _M = {
    version = 0.1,
    -- After mesh-split, so that a destination of its own is left alone.
    priority = 35,
    name = "mesh-original-dst",
    schema = schema,
}

function _M.check_schema(conf)
    return core.schema.check(schema, conf)
end

-- The upstreams of a configuration by address: few for each, and dropped with it.
local upstreams_of = memo.new(function()
    return {}
end)

local MOST = 1024

local function upstream_to(conf, host, port, address)
    local known = upstreams_of(conf)
    local up = known[address]
    if not up then
        if (known[0] or 0) >= MOST then
            for k in pairs(known) do
                known[k] = nil
            end
        end
        up = {
            type = "roundrobin",
            scheme = conf.scheme or "http",
            retries = 0,
            timeout = {connect = conf.connect_timeout or 10, send = NO_TIMEOUT, read = NO_TIMEOUT},
            nodes = {{host = host, port = port, weight = 1}},
        }
        known[address] = up
        known[0] = (known[0] or 0) + 1
    end
    return up
end

function _M.access(conf, ctx)
    local var = ctx.var
    local address = var.connection_original_dst
    local host, port = original_dst.parse(address)
    -- Where the kernel follows connections, one that was made to the proxy itself has it for its original destination, and
    -- would come back to it for ever.
    if not host or original_dst.is_own(host, port, var.server_addr, var.server_port) then
        return
    end
    if (var.inbound_port or "") ~= "" then
        -- Another source than the proxy's, so that the connection is not captured again.
        ngx.var.upstream_source = original_dst.inbound_source(host)
    end
    local up = upstream_to(conf, host, port, address)
    if conf.peers_of then
        original_dst.secure(up, upstream.get_by_id(conf.peers_of), host, port)
    end
    upstream.set(ctx, "mesh_original_dst#" .. address, ctx.conf_version, up)
    upstream.set_scheme(ctx, up)
end

return _M
