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

-- Weighted destinations as Envoy's weighted clusters have them: any number, each with an authority and header operations
-- of its own. APISIX's traffic-split takes twenty, without those.

local core = require("apisix.core")
local headers = require("apisix.mesh.headers")
local memo = require("apisix.mesh.memo")
local reply = require("apisix.mesh.reply")
local target = require("apisix.mesh.target")
local original_dst = require("apisix.plugins.mesh-original-dst")
local id_schema = require("apisix.schema_def").id_schema
local split = require("apisix.mesh.split")
local ipairs = ipairs

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
                    -- Answers in the place of an upstream that does not exist.
                    status = {type = "integer", minimum = 200, maximum = 599},
                    weight = {type = "integer", minimum = 0},
                    authority = {type = "string", minLength = 1},
                    original_dst = original_dst.schema,
                    request = headers.schema,
                    response = headers.schema,
                },
                required = {"weight"},
                oneOf = {{required = {"upstream_id"}}, {required = {"status"}}},
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
    local ok, err = core.schema.check(schema, conf)
    if not ok then
        return false, err
    end
    for _, d in ipairs(conf.destinations) do
        ok, err = headers.check(d.request, true)
        if not ok then
            return false, err
        end
        ok, err = headers.check(d.response)
        if not ok then
            return false, err
        end
    end
    return true
end

local plan_of = memo.new(function(conf)
    local destinations = {}
    for i, d in ipairs(conf.destinations) do
        destinations[i] = {
            upstream_id = d.upstream_id,
            status = d.status,
            authority = d.authority,
            original_dst = d.original_dst,
            request = headers.plan(d.request),
            response = headers.plan(d.response),
        }
    end
    return {destinations = destinations, picker = split.picker(conf.destinations)}
end)

function _M.access(conf, ctx)
    local plan = plan_of(conf)
    local destination = plan.destinations[plan.picker and plan.picker:find() or 1]
    ctx.mesh_routed = true
    ctx.mesh_destination = destination
    if destination.status then
        return reply.send(ctx, destination.status)
    end
    ctx.upstream_id = destination.upstream_id
    if destination.authority then
        ctx.var.upstream_host = destination.authority
    end
    if destination.request then
        headers.apply(destination.request, target.request, ctx, ctx.var)
    end
    if destination.original_dst then
        return original_dst.access(destination.original_dst, ctx)
    end
end

function _M.header_filter(_, ctx)
    local destination = ctx.mesh_destination
    if destination and destination.response then
        headers.apply(destination.response, target.response, ctx, ctx.var)
    end
end

return _M
