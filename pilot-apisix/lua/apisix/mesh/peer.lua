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

-- Who may connect to the workload: what the plugins mesh-peer of HTTP and of streams have in common.

local core = require("apisix.core")
local spiffe = require("apisix.mesh.spiffe")
local ipairs = ipairs

local _M = {}

_M.schema = {
    type = "object",
    properties = {
        -- Of PeerAuthentication.
        mode = {type = "string", enum = {"PERMISSIVE", "STRICT"}},
        -- Whose workloads are let in; anybody's when there are none.
        trust_domains = {type = "array", items = {type = "string"}, uniqueItems = true},
    },
    required = {"mode"},
    additionalProperties = false,
}

-- The version of the workload's certificate (apisix.mesh.identity).
_M.metadata_schema = {
    type = "object",
    properties = {
        version = {type = "string"},
    },
}

-- check_schema is that of either plugin.
function _M.check_schema(conf, schema_type)
    if schema_type == core.schema.TYPE_METADATA then
        return core.schema.check(_M.metadata_schema, conf)
    end
    return core.schema.check(_M.schema, conf)
end

-- check is true and the SPIFFE id of the client, or true and nil for plain text; or nil and why not.
function _M.check(conf)
    local id, err = spiffe.peer()
    if not id then
        if err then
            return nil, err
        end
        if conf.mode == "STRICT" then
            return nil, "plain text"
        end
        return true
    end
    local domains = conf.trust_domains
    if not domains or #domains == 0 then
        return true, id
    end
    local own = spiffe.trust_domain(id)
    for _, domain in ipairs(domains) do
        if domain == own then
            return true, id
        end
    end
    return nil, id .. " is of no trust domain of the mesh"
end

return _M
