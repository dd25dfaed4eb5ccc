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

-- Lets requests to the workload in by the client's certificate, as PeerAuthentication has it. Whether a client speaks TLS at all is decided
-- before (apisix.mesh.capture), its certificate is checked in the handshake; this looks whose it is, and is the last to see that nothing
-- gets past a port in STRICT mode.

local core = require("apisix.core")
local peer = require("apisix.mesh.peer")
local reply = require("apisix.mesh.reply")

local schema = peer.schema

local _M = {
    version = 0.1,
    -- Before every other plugin.
    priority = 30000,
    name = "mesh-peer",
    schema = schema,
    metadata_schema = peer.metadata_schema,
}

function _M.check_schema(conf, schema_type)
    return peer.check_schema(conf, schema_type)
end

function _M.rewrite(conf, ctx)
    local ok, id = peer.check(conf)
    if not ok then
        core.log.warn("a request is refused: ", id)
        return reply.send(ctx, 403, "RBAC: access denied")
    end
    ctx.mesh_peer_id = id
end

return _M
