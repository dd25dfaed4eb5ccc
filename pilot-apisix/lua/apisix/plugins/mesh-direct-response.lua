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

-- A response without an upstream, as of Envoy's direct_response: any status, and a body that may be bytes.

local core = require("apisix.core")
local memo = require("apisix.mesh.memo")
local reply = require("apisix.mesh.reply")
local decode_base64 = ngx.decode_base64

local schema = {
    type = "object",
    properties = {
        status = {type = "integer", minimum = 200, maximum = 599},
        body = {type = "string"},
        body_base64 = {type = "string"},
    },
    required = {"status"},
    additionalProperties = false,
}

local _M = {
    version = 0.1,
    priority = 50,
    name = "mesh-direct-response",
    schema = schema,
}

function _M.check_schema(conf)
    local ok, err = core.schema.check(schema, conf)
    if not ok then
        return false, err
    end
    if conf.body and conf.body_base64 then
        return false, "body and body_base64 exclude each other"
    end
    if conf.body_base64 and not decode_base64(conf.body_base64) then
        return false, "body_base64 is not base64"
    end
    return true
end

local body_of = memo.new(function(conf)
    return conf.body or conf.body_base64 and decode_base64(conf.body_base64) or ""
end)

function _M.access(conf, ctx)
    ctx.mesh_routed = true
    return reply.send(ctx, conf.status, body_of(conf))
end

return _M
