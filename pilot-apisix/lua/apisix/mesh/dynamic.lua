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

-- The endpoint of a request is the host that it names, as in Envoy's dynamic forward proxy: in its Host header after all rewriting, or in
-- the ClientHello.

local lrucache = require("resty.lrucache")
local resolver = require("apisix.mesh.resolver")
local lower = string.lower
local match = string.match
local tonumber = tonumber

-- Envoy's limits: names that are known at a time, and seconds for which one is that nobody asks for.
local MOST, KEPT = 1024, 300

local DEFAULT_PORTS = {http = 80, grpc = 80, https = 443, grpcs = 443}

local _M = {}

-- authority takes the host of a request apart. The port is that of the scheme where there is none.
function _M.authority(text, scheme)
    local host, port = match(text, "^(%[.*%]):?(%d*)$")
    if not host then
        host, port = match(text, "^([^:]*):?(%d*)$")
    end
    if not host or host == "" then
        return nil
    end
    port = port == "" and DEFAULT_PORTS[scheme] or tonumber(port)
    if not port or port < 1 or port > 65535 then
        return nil
    end
    return lower(host), port
end

local held

-- choose is the endpoint of a request or a connection to an upstream, or nil.
function _M.choose(ctx, upstream, conf, is_http)
    local name, port
    if is_http then
        name, port = _M.authority(ctx.var.upstream_host or "", upstream.scheme or "http")
    else
        name, port = ctx.mesh_server_name, upstream.nodes[1].port
    end
    if not name then
        return nil
    end
    local known = resolver.get(name, resolver.waits(), conf.dns_refresh)
    held = held or lrucache.new(MOST)
    held:set(name, known, KEPT)
    if not known.first then
        return nil
    end
    return {addr = resolver.plain(known.first) .. ":" .. port, load = {active = 0}, priority = 0}
end

return _M
