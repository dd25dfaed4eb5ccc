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
local memo = require("apisix.mesh.memo")
local path = require("apisix.mesh.path")
local re2 = require("apisix.mesh.re2")
local ngx = ngx
local re_match = ngx.re.match
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
        local groups, regex_err = re_match("/", conf.regex.pattern .. "|", "jo")
        if not groups then
            return false, "invalid regex: " .. (regex_err or conf.regex.pattern)
        end
        local parts, err = re2.parse(conf.regex.substitution)
        if not parts then
            return false, "invalid substitution: " .. err
        end
        for _, part in ipairs(parts) do
            -- Groups that did not match are false, those that there are not are nil.
            if type(part) == "number" and groups[part] == nil then
                return false, "invalid substitution: the pattern has no group " .. part
            end
        end
    end
    return true
end

-- ngx.re.match tells the position behind the match in the table that it takes the first one from.
local at = {pos = 1}

local plan_of = memo.new(function(regex)
    local pattern = regex.pattern
    return {
        parts = re2.parse(regex.substitution),
        match = function(text, position)
            at.pos = position
            local groups, err = re_match(text, pattern, "jo", at)
            if err then
                core.log.error("regex ", pattern, ": ", err)
            end
            return groups, at.pos
        end,
    }
end)

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
        local plan = plan_of(regex)
        return re2.replace(old, plan.match, plan.parts), query
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
