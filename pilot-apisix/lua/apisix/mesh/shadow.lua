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

-- What a mirrored request looks like: Envoy's shadow.

local byte = string.byte
local lower = string.lower
local match = string.match
local ipairs = ipairs
local pairs = pairs

local chance = require("apisix.mesh.chance")

-- Headers of the connection, and those that the copy gets of its own.
local OWN = {
    ["connection"] = true,
    ["content-length"] = true,
    ["expect"] = true,
    ["host"] = true,
    ["keep-alive"] = true,
    ["proxy-connection"] = true,
    ["te"] = true,
    ["trailer"] = true,
    ["transfer-encoding"] = true,
    ["upgrade"] = true,
    ["x-forwarded-for"] = true,
    ["x-real-ip"] = true,
}

local _M = {}

-- host_of appends -shadow to a host, before its port.
function _M.host_of(host)
    local name, port = match(host, "^(.-)(:%d+)$")
    -- An IPv6 address without brackets has no port.
    if not name or byte(host) ~= 91 and match(name, ":") then
        return host .. "-shadow"
    end
    return name .. "-shadow" .. port
end

-- headers_of copies what is to be sent from the headers of a request.
function _M.headers_of(headers)
    local out = {}
    for name, value in pairs(headers) do
        if not OWN[lower(name)] then
            out[name] = value
        end
    end
    return out
end

-- pick is one node of an upstream by weight, from those of the highest priority that have any, or nil.
function _M.pick(nodes, random)
    local best
    for _, node in ipairs(nodes) do
        local priority = node.priority or 0
        if (node.weight or 0) > 0 and (not best or priority > best) then
            best = priority
        end
    end
    if not best then
        return nil
    end
    local weights, total = {}, 0
    for i, node in ipairs(nodes) do
        local weight = (node.priority or 0) == best and node.weight or 0
        weights[i] = weight
        total = total + weight
    end
    return nodes[chance.weighted(weights, total, random)]
end

return _M
