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

-- Decides what a captured connection is, and passes it on to the listener for that (nginx's "pass", which hands over the socket
-- itself). What becomes of HTTP and who may connect are the labels of the stream routes, which know all ports.

local core = require("apisix.core")
local clienthello = require("apisix.mesh.clienthello")
local detect = require("apisix.mesh.detect")
local peek = require("apisix.mesh.peek")
local stream_dst = require("apisix.mesh.stream_dst")
local stream_match = require("apisix.mesh.stream_match")
local exit = ngx.exit
local find = string.find
local ngx_var = ngx.var
local tonumber = tonumber

local _M = {}

-- config is plugin_attr.mesh.capture: the port of each listener.
local config

-- is_http looks at as many bytes as it takes.
local function is_http(data)
    local yes = detect.http(data)
    while yes == nil do
        data = peek.at_least(#data + 1)
        if not data then
            return false
        end
        yes = detect.http(data)
    end
    return yes
end

-- listener is the name of the one for a connection; nil refuses it (the filter chains of Istio: filterchain_options.go).
local function listener(http, mode, timeout)
    if not mode then
        if http == "only" then
            return "http"
        elseif not http then
            return "tcp"
        end
    end
    local data, err = peek.first(timeout)
    if not data then
        -- A client that says nothing waits for the server, which it may where plain text is.
        if err == "timeout" and mode ~= "strict" then
            return http == "only" and "http" or "tcp"
        end
        return nil, err
    end
    if not clienthello.is_tls(data) then
        if mode == "strict" then
            return nil, "plain text to a port in STRICT mode"
        end
        if http == "only" or http and is_http(data) then
            return "http"
        end
        return "tcp"
    end
    if not mode then
        return "tcp"
    end
    local _, protocols = peek.client_hello(data)
    local mesh = detect.mesh(protocols)
    if mode ~= "strict" and not mesh then
        if http == "only" then
            return nil, "TLS that is not the mesh's to a port for HTTP"
        end
        return "tcp"
    end
    if http == "only" or http and mesh == "http" then
        return "https"
    end
    return "tls"
end

function _M.preread()
    config = config or core.table.try_read_attr(core.config.local_conf(), "plugin_attr", "mesh", "capture")
    local own = tonumber(ngx_var.server_port)
    local address, port = stream_dst.get()
    if not address or port == own and address == ngx_var.server_addr then
        core.log.info("a connection that was not captured")
        return exit(ngx.ERROR)
    end
    local inbound = own == config.inbound
    local labels = stream_match.labels(inbound, address, port)
    if not labels then
        return exit(ngx.ERROR)
    end
    local name, err = listener(labels.http, inbound and labels.mtls or nil, tonumber(labels.detection_timeout) or 0)
    if not name then
        core.log.info("a connection to ", address, " port ", port, " is refused: ", err)
        return exit(ngx.ERROR)
    end
    local to = (inbound and config.inbound_listeners or config.outbound_listeners)[name]
    ngx_var.mesh_listener = (find(address, ":", 1, true) and "[::1]:" or "127.0.0.1:") .. to
end

return _M
