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

-- Cross-origin requests as Envoy's CORS filter answers them. APISIX's own cors cannot match origins by prefix, and answers
-- the preflights of origins that it does not know.

local core = require("apisix.core")
local memo = require("apisix.mesh.memo")
local origin = require("apisix.mesh.origin")
local ngx = ngx
local get_method = ngx.req.get_method
local re_find = ngx.re.find

local text = {type = "string"}
local schema = {
    type = "object",
    properties = {
        allow_origins = {
            type = "array",
            items = {
                type = "object",
                properties = {
                    exact = text,
                    prefix = text,
                    regex = text,
                },
                minProperties = 1,
                maxProperties = 1,
                additionalProperties = false,
            },
        },
        allow_methods = text,
        allow_headers = text,
        expose_headers = text,
        max_age = text,
        allow_credentials = {type = "boolean", default = false},
        forward_not_matching_preflights = {type = "boolean", default = true},
    },
    additionalProperties = false,
}

local _M = {
    version = 0.1,
    -- After mesh-fault, as in Istio's chain of filters: a preflight can be delayed or aborted.
    priority = 3990,
    name = "mesh-cors",
    schema = schema,
}

local function matches(subject, regex)
    return re_find(subject, regex, "jo")
end

local plan_of = memo.new(function(conf)
    return origin.plan(conf.allow_origins, matches)
end)

function _M.check_schema(conf)
    local ok, err = core.schema.check(schema, conf)
    if not ok then
        return false, err
    end
    for _, m in ipairs(conf.allow_origins or {}) do
        if m.regex then
            local _, _, regex_err = re_find("", m.regex, "jo")
            if regex_err then
                return false, "invalid regex " .. m.regex .. ": " .. regex_err
            end
        end
    end
    return true
end

-- configured is what a header is set to: "*" means what the preflight asks for.
local function configured(header, value, asked)
    if value == "*" then
        value = asked
    end
    if value and value ~= "" then
        core.response.set_header(header, value)
    end
end

function _M.rewrite(conf, ctx)
    local from = ctx.var.http_origin
    if not from or from == "" then
        return
    end
    local allowed = origin.allowed(plan_of(conf), from, matches)
    if allowed then
        ctx.mesh_cors_origin = from
    end
    if get_method() ~= "OPTIONS" then
        return
    end
    local asked = ctx.var.http_access_control_request_method
    if not asked or asked == "" then
        return
    end
    if not allowed and conf.forward_not_matching_preflights ~= false then
        return
    end
    -- What an origin that is allowed gets besides is in header_filter. The rest goes to every origin, as from Envoy.
    if conf.allow_credentials then
        core.response.set_header("Access-Control-Allow-Credentials", "true")
    end
    configured("Access-Control-Allow-Methods", conf.allow_methods, asked)
    configured("Access-Control-Allow-Headers", conf.allow_headers, ctx.var.http_access_control_request_headers)
    configured("Access-Control-Max-Age", conf.max_age)
    core.response.set_header("Content-Length", 0)
    return core.response.exit(200, "")
end

function _M.header_filter(conf, ctx)
    local from = ctx.mesh_cors_origin
    if not from then
        return
    end
    core.response.set_header("Access-Control-Allow-Origin", from)
    if conf.allow_credentials then
        core.response.set_header("Access-Control-Allow-Credentials", "true")
    end
    if conf.expose_headers and conf.expose_headers ~= "" then
        core.response.set_header("Access-Control-Expose-Headers", conf.expose_headers)
    end
end

return _M
