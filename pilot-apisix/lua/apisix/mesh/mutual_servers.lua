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

-- Which of a gateway's servers have mutual TLS of the mesh: by the port that a client came to and the name that it asks for. Of the names of a port the
-- most specific one decides, as with Envoy's filter chains.

local plugin = require("apisix.plugin")
local ipairs = ipairs
local string = string

local _M = {}

-- An object for each server, that stands for one of /apisix/ssls.
local objects = setmetatable({}, {__mode = "k"})

-- index has the servers of a list of ports by port and name: an object, or false for a name of another server.
function _M.index(listeners)
    local ports = {}
    for _, listener in ipairs(listeners or {}) do
        if listener.istio_mutual then
            -- A port may be there once for each address.
            local by = ports[listener.port] or {}
            ports[listener.port] = by
            for _, name in ipairs(listener.others or {}) do
                by[name] = false
            end
            for _, server in ipairs(listener.istio_mutual) do
                local object = {value = {id = "mesh", ssl_protocols = server.ssl_protocols}}
                objects[object] = true
                for _, name in ipairs(server.names) do
                    by[name] = object
                end
            end
        end
    end
    return ports
end

-- choose is the server of a name on a port of an index, or nil.
function _M.choose(index, port, name)
    local by = index[port]
    if not by then
        return nil
    end
    name = string.lower(name or "*")
    local found = by[name]
    local rest = name
    while found == nil do
        local dot = string.find(rest, ".", 1, true)
        if not dot then
            found = by["*"] or false
        else
            rest = string.sub(rest, dot + 1)
            found = by["*." .. rest]
        end
    end
    return found or nil
end

local known, index

-- find is the server for a client that asks a port for a name, or nil.
function _M.find(port, name)
    local metadata = plugin.plugin_metadata("mesh-listeners")
    local value = metadata and metadata.value
    if not value then
        return nil
    end
    if value ~= known then
        known, index = value, _M.index(value.listeners)
    end
    return _M.choose(index, port, name)
end

-- has says that an object is of find.
function _M.has(object)
    return objects[object] ~= nil
end

return _M
