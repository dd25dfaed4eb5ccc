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

-- Rewrites of the path and the authority as Envoy makes them: on the path as it was sent, without its query. APISIX's
-- proxy-rewrite works on the decoded path and encodes the result anew.

local core = require("apisix.core")
local grpc = require("apisix.mesh.grpc")
local path = require("apisix.mesh.path")
local ngx = ngx
local re_gsub = ngx.re.gsub
local set_uri = ngx.req.set_uri

local schema = {
    type = "object",
    properties = {
        uri = {
            type = "object",
            properties = {
                prefix = {type = "string", minLength = 1},
                rewrite = {type = "string"},
            },
            required = {"rewrite"},
            additionalProperties = false,
        },
        regex = {
            type = "object",
            properties = {
                pattern = {type = "string", minLength = 1},
                substitution = {type = "string"},
            },
            required = {"pattern", "substitution"},
            additionalProperties = false,
        },
        authority = {type = "string", minLength = 1},
    },
    additionalProperties = false,
}

local _M = {
    version = 0.1,
    priority = 30,
    name = "mesh-rewrite",
    schema = schema,
}

function _M.check_schema(conf)
    local ok, err = core.schema.check(schema, conf)
    if not ok then
        return false, err
    end
    if conf.uri and conf.regex then
        return false, "uri and regex exclude each other"
    end
    if conf.regex then
        local _, _, regex_err = re_gsub("/", conf.regex.pattern, conf.regex.substitution, "jo")
        if regex_err then
            return false, "invalid regex or substitution: " .. regex_err
        end
    end
    return true
end

-- rewritten is the new path and the query, or nil where the path stays.
local function rewritten(conf, var)
    local uri, regex = conf.uri, conf.regex
    if uri then
        -- To Envoy an empty rewrite is none.
        if uri.rewrite == "" then
            return nil
        end
        return path.rewritten(var.real_request_uri, var.uri, uri.prefix, uri.rewrite)
    end
    if regex then
        local old, query = path.original(var.real_request_uri, var.uri)
        local new, _, err = re_gsub(old, regex.pattern, regex.substitution, "jo")
        if not new then
            core.log.error("the path is not rewritten, regex ", regex.pattern, ": ", err)
        end
        return new, query
    end
    return nil
end

function _M.access(conf, ctx)
    local var = ctx.var
    ctx.mesh_routed = true
    if conf.authority then
        var.upstream_host = conf.authority
    end
    local new, query = rewritten(conf, var)
    if not new then
        return
    end
    new = path.safe(new)
    core.request.set_header(ctx, "x-envoy-original-path", var.real_request_uri)
    var.upstream_uri = new .. query
    -- nginx's module for gRPC does not take the path from a variable.
    if grpc.is_grpc(var.http_content_type) then
        set_uri(path.decode(new))
    end
end

return _M
