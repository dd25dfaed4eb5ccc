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

-- The same as the plugin of the name for HTTP, for connections.

local core = require("apisix.core")
local peer = require("apisix.mesh.peer")

local schema = peer.schema

local _M = {
    version = 0.1,
    priority = 30000,
    name = "mesh-peer",
    schema = schema,
    metadata_schema = peer.metadata_schema,
}

function _M.check_schema(conf, schema_type)
    return peer.check_schema(conf, schema_type)
end

function _M.preread(conf, ctx)
    local ok, id = peer.check(conf)
    if not ok then
        core.log.warn("a connection is refused: ", id)
        return ngx.exit(ngx.ERROR)
    end
    ctx.mesh_peer_id = id
end

return _M
