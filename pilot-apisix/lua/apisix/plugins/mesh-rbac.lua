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

-- Lets requests to the workload in as AuthorizationPolicies have it. Who the client is says mesh-peer.

local core = require("apisix.core")
local grpc = require("apisix.mesh.grpc")
-- For connection_original_dst.
require("apisix.mesh.http_dst")
local normalise = require("apisix.mesh.normalise")
local original_dst = require("apisix.mesh.original_dst")
local rbac = require("apisix.mesh.rbac")
local rbac_source = require("apisix.mesh.rbac_source")
local reply = require("apisix.mesh.reply")
local lrucache = require("resty.lrucache")
local new_cidrs = require("resty.ipmatcher").new
local error = error
local get_headers = ngx.req.get_headers
local get_method = ngx.req.get_method
local ngx_var = ngx.var
local pcall = pcall
local rawget = rawget
local tonumber = tonumber
local type = type

local schema = rbac.schema

local _M = {
    version = 0.1,
    -- After mesh-peer, before every other plugin.
    priority = 29900,
    name = "mesh-rbac",
    schema = schema,
}

local function header(ctx, name)
    local all = ctx.mesh_rbac_headers
    if not all then
        -- All there are, and by their names in lower case.
        all = get_headers(0)
        ctx.mesh_rbac_headers = all
    end
    -- What is asked for in the usual way may be one with hyphens for underscores.
    local value = rawget(all, name)
    if name == "cookie" and type(value) == "table" then
        error("there are several Cookie headers", 0)
    end
    return value
end

-- destination is where the client connected to. The Host header says nothing of it.
local function destination(ctx)
    local host, port = original_dst.parse(ctx.var.connection_original_dst)
    if host then
        return host, port
    end
    return ngx_var.server_addr, tonumber(ngx_var.server_port)
end

local sources = {
    ["source.principal"] = rbac_source.principal,
    ["source.ip"] = function()
        return rbac_source.address(ngx_var.realip_remote_addr)
    end,
    ["remote.ip"] = function(ctx)
        local last = rbac_source.forwarded(header(ctx, "x-forwarded-for"))
        return rbac_source.address(last or ngx_var.realip_remote_addr)
    end,
    ["destination.ip"] = function(ctx)
        return rbac_source.address((destination(ctx)))
    end,
    ["destination.port"] = function(ctx)
        local _, port = destination(ctx)
        return port
    end,
    ["connection.sni"] = function()
        return rbac_source.server_name(ngx_var.ssl_server_name)
    end,
    ["request.headers"] = function(ctx, name)
        return rbac_source.header(header(ctx, name))
    end,
    ["request.auth.claims"] = rbac_source.token,
    ["request.auth.principal"] = rbac_source.token,
    host = function(ctx)
        local host = rbac_source.header(header(ctx, "host"))
        return host and host:lower()
    end,
    method = function()
        return get_method()
    end,
    path = function(ctx)
        local path = ctx.mesh_rbac_path
        if path then
            return path
        end
        local query, changed
        path, query, changed = normalise.normalise(ctx.var.real_request_uri, ctx.mesh_rbac_normalization)
        if not path then
            error("the request has no path that can be compared", 0)
        end
        if changed then
            if ctx.mesh_rbac_http2 or grpc.is_grpc(ctx.var.http_content_type) then
                error("the path is not normalised, and cannot be over HTTP/2", 0)
            end
            -- What was compared is what is forwarded.
            ctx.mesh_rbac_forward = path .. query
        end
        ctx.mesh_rbac_path = path
        return path
    end,
}

-- APISIX serves a route without the plugins that it does not know. Routes with policies ask for this variable.
core.ctx.register_var("mesh_rbac", function()
    return "1"
end)

local plan_of, compiles = rbac.compiler(sources, rbac_source.cidrs(new_cidrs))

function _M.check_schema(conf)
    local ok, err = core.schema.check(schema, conf)
    if not ok then
        return false, err
    end
    return compiles(conf)
end

-- Connections have numbers that are not used again.
local connections = lrucache.new(4096)

local function decide(conf, ctx)
    local plan = plan_of(conf)
    ctx.mesh_rbac_normalization, ctx.mesh_rbac_http2 = conf.normalization, conf.http2
    local number = ngx_var.connection
    local found = connections:get(number)
    if not found or found.plan ~= plan then
        found = rbac.connection(plan, ctx)
        connections:set(number, found)
    end
    return rbac.request(found, ctx)
end

function _M.rewrite(conf, ctx)
    local ok, allowed, rule = pcall(decide, conf, ctx)
    if ok and allowed == true then
        local target = ctx.mesh_rbac_forward
        if target then
            ctx.var.upstream_uri = target
        end
        return
    end
    if ok then
        core.log.info("a request is refused: ", rule or "no rule allows it")
    else
        core.log.warn("a request is refused: ", allowed)
    end
    return reply.send(ctx, 403, "RBAC: access denied")
end

return _M
