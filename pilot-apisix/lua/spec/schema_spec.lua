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

-- pkg/apisix/schema/mesh.json is what the control plane's tests hold its resources against. It must be what the plugins say.
-- REFRESH_GOLDEN=true writes it anew.

local has_cjson, cjson = pcall(require, "cjson")

local file = "../../pkg/apisix/schema/mesh.json"
local plugins = {
    "mesh-cors", "mesh-direct-response", "mesh-fault", "mesh-hash", "mesh-headers", "mesh-listeners", "mesh-mirror", "mesh-original-dst", "mesh-peer",
    "mesh-rbac",
    "mesh-redirect", "mesh-retry", "mesh-rewrite", "mesh-split",
}
local stream_plugins = {"mesh-original-dst", "mesh-peer", "mesh-rbac", "mesh-split"}

-- What the plugins need of APISIX and nginx to be loaded, and nothing that they do.
local anything = {}
anything.__index = function(t, k)
    local v = setmetatable({}, anything)
    rawset(t, k, v)
    return v
end
anything.__call = function()
    return setmetatable({}, anything)
end

-- APISIX's own, which our schemas refer to.
local id_schema = {
    anyOf = {
        {type = "string", minLength = 1, maxLength = 64, pattern = "^[a-zA-Z0-9-_.]+$"},
        {type = "integer", minimum = 1},
    },
}

local function load_plugins()
    local outside = {
        "apisix.balancer", "apisix.core", "apisix.upstream", "apisix.ssl", "resty.roundrobin", "resty.http", "resty.ctxdump", "ngx.balancer",
        "ngx.resp", "resty.ipmatcher", "resty.lrucache", "resty.openssl.x509", "apisix.router", "apisix.mesh.http_dst",
        "apisix.mesh.upstream_tls",
    }
    local before, global = {}, rawget(_G, "ngx")
    for _, name in ipairs(outside) do
        before[name] = package.loaded[name]
        package.loaded[name] = setmetatable({}, anything)
    end
    package.loaded["apisix.schema_def"] = {id_schema = id_schema}
    rawset(_G, "ngx", setmetatable({}, anything))
    local schemas = {plugins = {}, stream_plugins = {}}
    for _, name in ipairs(plugins) do
        local plugin = require("apisix.plugins." .. name)
        schemas.plugins[name] = {schema = plugin.schema, metadata_schema = plugin.metadata_schema}
    end
    for _, name in ipairs(stream_plugins) do
        schemas.stream_plugins[name] = {schema = require("apisix.stream.plugins." .. name).schema}
    end
    for _, name in ipairs(outside) do
        package.loaded[name] = before[name]
    end
    package.loaded["apisix.schema_def"] = nil
    rawset(_G, "ngx", global)
    return schemas
end

-- pretty is JSON for people to compare: keys in order, one value on a line.
local function pretty(value, indent)
    if type(value) ~= "table" then
        return cjson.encode(value)
    end
    local inner, lines = indent .. " ", {}
    if #value > 0 then
        for i, v in ipairs(value) do
            lines[i] = inner .. pretty(v, inner)
        end
        return "[\n" .. table.concat(lines, ",\n") .. "\n" .. indent .. "]"
    end
    local keys = {}
    for k in pairs(value) do
        keys[#keys + 1] = k
    end
    table.sort(keys)
    for i, k in ipairs(keys) do
        lines[i] = inner .. cjson.encode(k) .. ": " .. pretty(value[k], inner)
    end
    return "{\n" .. table.concat(lines, ",\n") .. "\n" .. indent .. "}"
end

describe("schemas", function()
    it("are those of mesh.json", function()
        if not has_cjson then
            pending("cjson (Debian: lua-cjson) is not installed")
            return
        end
        -- Through JSON, as APISIX answers to GET /v1/schema.
        local got = cjson.decode(cjson.encode(load_plugins()))
        if os.getenv("REFRESH_GOLDEN") == "true" then
            local out = assert(io.open(file, "w"))
            out:write(pretty(got, ""), "\n")
            out:close()
        end
        local input = assert(io.open(file))
        local want = cjson.decode(input:read("*a"))
        input:close()
        assert.same(want, got)
    end)
end)
