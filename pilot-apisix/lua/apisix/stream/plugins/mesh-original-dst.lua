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

-- Sends a captured connection to its original destination, as Envoy's ORIGINAL_DST clusters do. One that was not captured goes
-- where the route says besides.

local core = require("apisix.core")
local upstream = require("apisix.upstream")
local original_dst = require("apisix.mesh.original_dst")
local schema = original_dst.schema
local find = string.find
local ngx_var = ngx.var

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

function _M.preread(conf, ctx)
    if not ctx.mesh_captured then
        return
    end
    local host, port = ctx.mesh_address, ctx.mesh_port
    if find(host, ":", 1, true) then
        host = "[" .. host .. "]"
    end
    if ctx.mesh_inbound then
        -- Another source than the proxy's, so that the connection is not captured again.
        ngx_var.upstream_source = original_dst.inbound_source(host)
    end
    local idle = conf.idle_timeout or 3600
    -- A connection lives longer than the table.
    local up = {
        type = "roundrobin",
        scheme = "tcp",
        retries = 0,
        timeout = {connect = conf.connect_timeout or 10, send = idle, read = idle},
        nodes = {{host = host, port = port, weight = 1}},
    }
    if conf.peers_of then
        original_dst.secure(up, upstream.get_by_id(conf.peers_of), host, port)
    end
    upstream.set(ctx, "mesh_original_dst#" .. host .. ":" .. port, ctx.conf_version, up)
end

return _M
