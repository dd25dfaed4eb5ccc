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

-- Weighted destinations of a connection, any number: APISIX's traffic-split takes twenty. The configuration is that of the plugin
-- of the same name for HTTP, of which nothing but upstreams, weights and original destinations has a meaning here.

local core = require("apisix.core")
local memo = require("apisix.mesh.memo")
local original_dst = require("apisix.stream.plugins.mesh-original-dst")
local id_schema = require("apisix.schema_def").id_schema
local split = require("apisix.mesh.split")

local schema = {
    type = "object",
    properties = {
        destinations = {
            type = "array",
            minItems = 1,
            items = {
                type = "object",
                properties = {
                    upstream_id = id_schema,
                    weight = {type = "integer", minimum = 0},
                    original_dst = original_dst.schema,
                },
                required = {"upstream_id", "weight"},
                additionalProperties = false,
            },
        },
    },
    required = {"destinations"},
    additionalProperties = false,
}

local _M = {
    version = 0.1,
    priority = 40,
    name = "mesh-split",
    schema = schema,
}

function _M.check_schema(conf)
    return core.schema.check(schema, conf)
end

local picker_of = memo.new(function(conf)
    return {picker = split.picker(conf.destinations)}
end)

function _M.preread(conf, ctx)
    local picker = picker_of(conf).picker
    local destination = conf.destinations[picker and picker:find() or 1]
    ctx.upstream_id = destination.upstream_id
    if destination.original_dst then
        return original_dst.preread(destination.original_dst, ctx)
    end
end

return _M
