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

-- What the client meant to reach before its connection was captured, as Envoy's ORIGINAL_DST clusters have it.

local find = string.find
local match = string.match
local ipairs = ipairs
local tonumber = tonumber

local _M = {}

-- schema is that of the plugins of the name, for HTTP and for streams.
_M.schema = {
    type = "object",
    properties = {
        scheme = {type = "string", enum = {"http", "grpc", "https", "grpcs"}, default = "http"},
        -- The upstream whose nodes say whom to expect at which address, where connections are secured.
        peers_of = {type = "string", minLength = 1, maxLength = 64},
        -- In seconds.
        connect_timeout = {type = "number", exclusiveMinimum = 0, default = 10},
        -- Of streams, in seconds.
        idle_timeout = {type = "number", exclusiveMinimum = 0, default = 3600},
    },
    additionalProperties = false,
}

-- parse takes "10.0.0.1:80" or "[::1]:80" apart.
function _M.parse(address)
    if not address then
        return nil
    end
    local host, port = match(address, "^(.+):(%d+)$")
    port = tonumber(port)
    if not port or port < 1 or port > 65535 then
        return nil
    end
    return host, port
end

-- is_own says that a connection to host:port would come back to the listener it came from.
function _M.is_own(host, port, server_host, server_port)
    if port ~= tonumber(server_port) then
        return false
    end
    return host == server_host or host == "[" .. (server_host or "") .. "]"
end

-- secure has the upstream up, to one address, prove what the node of another upstream with that address must. known is that upstream. A
-- node that is not known may prove anything, so that nothing is sent there. TLS of the upstream's own is the same for all addresses.
function _M.secure(up, known, host, port)
    local args = known and known.discovery_args
    local tls = args and args.mesh_tls
    if known and not tls then
        return
    end
    if tls and tls.mode ~= "ISTIO_MUTUAL" then
        up.discovery_args = {mesh_tls = tls}
        return
    end
    local peer
    for _, node in ipairs(known and known.nodes or {}) do
        if node.host == host and node.port == port then
            peer = tls.peer or node.metadata and node.metadata.peer
            break
        end
    end
    up.nodes[1].metadata = {peer = peer}
    up.discovery_args = {mesh_tls = {mode = "ISTIO_MUTUAL"}}
end

-- inbound_source is the address that connections to the workload come from (InboundPassthroughBindIpv4 and Ipv6 of Istio).
function _M.inbound_source(host)
    return find(host, ":", 1, true) and "::6" or "127.0.0.6"
end

return _M
