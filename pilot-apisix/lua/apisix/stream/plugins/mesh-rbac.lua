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

-- The same as the plugin of the name for HTTP, for connections.

local core = require("apisix.core")
local rbac = require("apisix.mesh.rbac")
local rbac_source = require("apisix.mesh.rbac_source")
local new_cidrs = require("resty.ipmatcher").new
local error = error
local ngx = ngx
local ngx_var = ngx.var
local pcall = pcall

local schema = rbac.schema

local _M = {
    version = 0.1,
    -- After mesh-peer, before every other plugin.
    priority = 29900,
    name = "mesh-rbac",
    schema = schema,
}

local function source()
    return rbac_source.address(ngx_var.remote_addr)
end

local sources = {
    ["source.principal"] = rbac_source.principal,
    ["source.ip"] = source,
    ["remote.ip"] = source,
    ["destination.ip"] = function(ctx)
        return rbac_source.address(ctx.mesh_address)
    end,
    ["destination.port"] = function(ctx)
        return ctx.mesh_port
    end,
    ["connection.sni"] = function()
        if not ngx_var.ssl_protocol then
            error("the server name is not known", 0)
        end
        return rbac_source.server_name(ngx_var.ssl_server_name)
    end,
}

local plan_of, compiles = rbac.compiler(sources, rbac_source.cidrs(new_cidrs))

function _M.check_schema(conf)
    local ok, err = core.schema.check(schema, conf)
    if not ok then
        return false, err
    end
    return compiles(conf)
end

local function decide(conf, ctx)
    return rbac.request(rbac.connection(plan_of(conf), ctx), ctx)
end

function _M.preread(conf, ctx)
    local ok, allowed, rule = pcall(decide, conf, ctx)
    if ok and allowed == true then
        return
    end
    if ok then
        core.log.info("a connection is refused: ", rule or "no rule allows it")
    else
        core.log.warn("a connection is refused: ", allowed)
    end
    return ngx.exit(ngx.ERROR)
end

return _M
