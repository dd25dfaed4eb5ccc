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

-- The key by which upstreams with a consistent hash choose their nodes: they hash the variable arg_mesh_hash_key, which APISIX
-- takes for a query parameter. As on Envoy a request without any of the keys goes to any node, and a cookie with a time to
-- live is made for who has none.

local core = require("apisix.core")
local hash = require("apisix.mesh.hash")
local ngx = ngx
local get_uri_args = ngx.req.get_uri_args
local md5 = ngx.md5
local add_header = require("ngx.resp").add_header
local ipairs = ipairs
local type = type

local text = {type = "string", minLength = 1}

local schema = {
    type = "object",
    properties = {
        keys = {
            type = "array",
            items = {
                type = "object",
                properties = {
                    header = text,
                    query = text,
                    cookie = text,
                    source_ip = {type = "boolean", enum = {true}},
                },
                minProperties = 1,
                maxProperties = 1,
                additionalProperties = false,
            },
        },
        -- Made for requests that come without them.
        cookies = {
            type = "array",
            items = {
                type = "object",
                properties = {
                    name = text,
                    -- In seconds; 0 is as long as the client runs.
                    ttl = {type = "integer", minimum = 0},
                    path = {type = "string"},
                    attributes = {
                        type = "array",
                        items = {
                            type = "object",
                            properties = {name = text, value = {type = "string"}},
                            required = {"name"},
                            additionalProperties = false,
                        },
                    },
                },
                required = {"name", "ttl"},
                additionalProperties = false,
            },
        },
    },
    required = {"keys"},
    additionalProperties = false,
}

local _M = {
    version = 0.1,
    priority = 36,
    name = "mesh-hash",
    schema = schema,
}

function _M.check_schema(conf)
    return core.schema.check(schema, conf)
end

local function cookie_of(ctx, name)
    local value = ctx.var["cookie_" .. name]
    if value == "" then
        return nil
    end
    return value
end

local function reader(ctx, made)
    return function(kind, name)
        if kind == "header" then
            local value = core.request.header(ctx, name)
            if type(value) == "table" then
                value = value[1]
            end
            return value
        elseif kind == "query" then
            local args = get_uri_args()
            local value = args and args[name]
            if type(value) == "table" then
                value = value[1]
            end
            return type(value) == "string" and value or nil
        elseif kind == "cookie" then
            return cookie_of(ctx, name) or made and made[name]
        end
        return ctx.var.remote_addr
    end
end

function _M.access(conf, ctx)
    local var = ctx.var
    local made
    for _, c in ipairs(conf.cookies or {}) do
        if not cookie_of(ctx, c.name) then
            made = made or {}
            -- The same for the same connection, as Envoy's.
            made[c.name] = md5(var.remote_addr .. ":" .. var.remote_port .. "|" .. (var.connection_original_dst or "")):sub(1, 16)
        end
    end
    ctx.mesh_hash_cookies = made
    var.arg_mesh_hash_key = hash.key(conf.keys, reader(ctx, made)) or var.request_id
end

function _M.header_filter(conf, ctx)
    local made = ctx.mesh_hash_cookies
    if not made then
        return
    end
    for _, c in ipairs(conf.cookies) do
        if made[c.name] then
            add_header("Set-Cookie", hash.set_cookie(c, made[c.name]))
        end
    end
end

return _M
