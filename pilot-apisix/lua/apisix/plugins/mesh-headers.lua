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

-- Header operations of a route, as Envoy's router applies them. In APISIX's proxy-rewrite and response-rewrite a dollar
-- sign begins a variable and cannot be meant literally.

local core = require("apisix.core")
local headers = require("apisix.mesh.headers")
local memo = require("apisix.mesh.memo")
local target = require("apisix.mesh.target")

local schema = {
    type = "object",
    properties = {
        request = headers.schema,
        response = headers.schema,
    },
    additionalProperties = false,
}

local _M = {
    version = 0.1,
    priority = 20,
    name = "mesh-headers",
    schema = schema,
}

function _M.check_schema(conf)
    local ok, err = core.schema.check(schema, conf)
    if not ok then
        return false, err
    end
    ok, err = headers.check(conf.request, true)
    if not ok then
        return false, err
    end
    return headers.check(conf.response)
end

local plan_of = memo.new(function(conf)
    return {
        request = headers.plan(conf.request),
        response = headers.plan(conf.response),
    }
end)

function _M.access(conf, ctx)
    ctx.mesh_routed = true
    local request = plan_of(conf).request
    if request then
        headers.apply(request, target.request, ctx, ctx.var)
    end
end

-- What was answered before the router, such as an abort of mesh-fault, keeps its headers.
function _M.header_filter(conf, ctx)
    local response = plan_of(conf).response
    if response and ctx.mesh_routed then
        headers.apply(response, target.response, ctx, ctx.var)
    end
end

return _M
