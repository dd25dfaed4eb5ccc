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

-- Redirects as Envoy makes them: parts of the request's URL are replaced, and its query is kept. APISIX's redirect builds
-- the whole URL from a template, which cannot tell a port to keep from one to drop.

local core = require("apisix.core")
local memo = require("apisix.mesh.memo")
local redirect = require("apisix.mesh.redirect")
local reply = require("apisix.mesh.reply")

local schema = {
    type = "object",
    properties = {
        code = {type = "integer", enum = {301, 302, 303, 307, 308}},
        scheme = {type = "string", pattern = "^[A-Za-z][A-Za-z0-9+.-]*$"},
        authority = {type = "string", minLength = 1},
        port = {type = "integer", minimum = 1, maximum = 65535},
        path = {type = "string", minLength = 1},
        prefix_rewrite = {
            type = "object",
            properties = {
                prefix = {type = "string", minLength = 1},
                rewrite = {type = "string"},
            },
            required = {"rewrite"},
            additionalProperties = false,
        },
    },
    required = {"code"},
    additionalProperties = false,
}

local _M = {
    version = 0.1,
    priority = 60,
    name = "mesh-redirect",
    schema = schema,
}

function _M.check_schema(conf)
    local ok, err = core.schema.check(schema, conf)
    if not ok then
        return false, err
    end
    if conf.path and conf.prefix_rewrite then
        return false, "path and prefix_rewrite exclude each other"
    end
    return true
end

local plan_of = memo.new(redirect.plan)

function _M.access(conf, ctx)
    local var = ctx.var
    -- The scheme is that of the first proxy, if APISIX trusts it; otherwise APISIX has put the connection's here.
    local scheme = var.http_x_forwarded_proto
    if scheme ~= "http" and scheme ~= "https" then
        scheme = var.scheme
    end
    local uri = redirect.new_uri(plan_of(conf), scheme, var.http_host or "", var.real_request_uri, var.uri)
    ctx.mesh_routed = true
    return reply.send(ctx, conf.code, nil, nil, uri)
end

return _M
