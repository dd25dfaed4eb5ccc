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

-- Matches connections in the place of APISIX's own router for streams.

local core = require("apisix.core")
local clienthello = require("apisix.mesh.clienthello")
local peek = require("apisix.mesh.peek")
local stream_dst = require("apisix.mesh.stream_dst")
local stream_router = require("apisix.mesh.stream_router")
local ip_matcher = require("resty.ipmatcher").new_with_value
local tonumber = tonumber
local ipairs = ipairs
local lower = string.lower

local _M = {}

-- inbound_ports are those of the listeners for what is sent to the workload, in config.yaml's plugin_attr.mesh.inbound_ports.
local function inbound_ports()
    local conf = core.config.local_conf()
    local ports = {}
    for _, port in ipairs(core.table.try_read_attr(conf, "plugin_attr", "mesh", "inbound_ports") or {}) do
        ports[port] = true
    end
    return ports
end

-- captures is false for a gateway, where what is meant is what nginx listens on, whatever led the client there.
local function captures()
    return not core.table.try_read_attr(core.config.local_conf(), "plugin_attr", "mesh", "router")
end

-- server_name looks until it has the ClientHello's name, or knows that there is none. Nothing is taken away. How long a client
-- may say nothing is nginx's preread_timeout; the connection ends with it.
local function server_name()
    local data, err = peek.first(0)
    local name
    if data and clienthello.is_tls(data) then
        local _
        name, _, err = peek.client_hello(data)
    end
    if err then
        core.log.info("no ClientHello: ", err)
    end
    return name
end

-- The routes that APISIX holds, as we look them up.
local held, index, version

local function current()
    local routes, now = held.routes()
    if routes and version ~= now then
        index, version = stream_router.build(routes, ip_matcher), now
    end
    return routes and index
end

-- labels are those of the route that connections to an address take which give no server name; nil where there is none.
function _M.labels(inbound, address, port)
    local routes = current()
    local group = routes and stream_router.group(routes, inbound, address, port)
    if not group then
        return nil
    end
    return group.rest and group.rest.value.labels or {}
end

-- enforced is false for a route with policies where the plugin for them is not there: APISIX would serve it without.
local function enforced(route)
    local plugins = route.value.plugins
    return not (plugins and plugins["mesh-rbac"]) or require("apisix.plugin").get_stream("mesh-rbac") ~= nil
end

-- install makes match a function of ours.
-- Where TLS ends at the listener itself, what can be read of a connection is what was in it.
local function name_of(var)
    if var.ssl_protocol then
        local name = var.ssl_server_name
        return name and lower(name)
    end
    return server_name()
end

function _M.install(router)
    local inbound, captured
    held = router
    function router.match(ctx)
        if not inbound then
            inbound, captured = inbound_ports(), captures()
        end
        local routes = current()
        if not routes then
            return true
        end
        local var = ctx.var
        local own = tonumber(var.server_port)
        local address, port
        if captured then
            address, port = stream_dst.get()
        end
        ctx.mesh_captured = address ~= nil and not (port == own and address == var.server_addr)
        if not address then
            address, port = var.server_addr, own
        end
        ctx.mesh_address, ctx.mesh_port = address, port
        ctx.mesh_inbound = inbound[own]
        local group = stream_router.group(routes, ctx.mesh_inbound, address, port)
        ctx.mesh_server_name = group and group.named and name_of(var) or nil
        local route = group and stream_router.route(group, ctx.mesh_server_name)
        -- One without an upstream closes the connection.
        if route and route.value.upstream_id and enforced(route) then
            ctx.matched_route = route
        end
        return true
    end
end

return _M
