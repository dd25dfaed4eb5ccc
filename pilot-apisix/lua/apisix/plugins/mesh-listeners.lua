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

-- The ports that a gateway has to open, as metadata of this plugin. They are for the agent, which writes them into config.yaml; of the servers
-- with mutual TLS of the mesh apisix.mesh.mutual_servers reads here. The plugin itself is for no route.

local core = require("apisix.core")

local names = {type = "array", items = {type = "string", minLength = 1}}

local schema = {
    type = "object",
    properties = {},
    additionalProperties = false,
}

local metadata_schema = {
    type = "object",
    properties = {
        id = {type = "string", enum = {"mesh-listeners"}},
        listeners = {
            type = "array",
            items = {
                type = "object",
                properties = {
                    port = {type = "integer", minimum = 1, maximum = 65535},
                    -- https and tls end TLS at the gateway; tcp takes bytes as they are.
                    protocol = {type = "string", enum = {"http", "https", "tcp", "tls"}},
                    -- An address; all of them without one.
                    bind = {type = "string", minLength = 1},
                    -- Servers that show the workload's own certificate, by their names, and the other names of the port.
                    istio_mutual = {
                        type = "array",
                        items = {
                            type = "object",
                            properties = {
                                names = names,
                                ssl_protocols = {type = "array", items = {type = "string", enum = {"TLSv1.1", "TLSv1.2", "TLSv1.3"}}},
                            },
                            required = {"names"},
                            additionalProperties = false,
                        },
                    },
                    others = names,
                },
                required = {"port", "protocol"},
                additionalProperties = false,
            },
        },
    },
    required = {"listeners"},
    additionalProperties = false,
}

local _M = {
    version = 0.1,
    priority = 0,
    name = "mesh-listeners",
    schema = schema,
    metadata_schema = metadata_schema,
}

function _M.check_schema(conf, schema_type)
    if schema_type == core.schema.TYPE_METADATA then
        return core.schema.check(metadata_schema, conf)
    end
    return core.schema.check(schema, conf)
end

return _M
