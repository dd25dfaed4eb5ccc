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

-- Plays calls with the plugins mesh-rbac, for authz_lua_test.go. Each line of the input has the configurations of the plugin on three ports,
-- and calls; each line of the output is what becomes of one: "allowed" and the path that is forwarded, when another one is than was sent, or
-- "refused". Nothing of the plugins is replaced but what nginx and APISIX would tell them.

local lua_path, apisix_path = arg[1], arg[2]
package.path = lua_path .. ";" .. apisix_path .. ";" .. package.path

local cjson = require("cjson.safe")

-- The call at hand.
local vars, headers, method = {}, {}, nil
local why

ngx = {
    config = {subsystem = "stream"},
    var = setmetatable({}, {__index = function(_, k)
        return vars[k]
    end}),
    req = {
        get_headers = function()
            return headers
        end,
        get_method = function()
            return method
        end,
    },
    log = function() end,
    exit = function()
        return "refused"
    end,
}
local function noted(...)
    why = table.concat({...})
end
package.loaded["apisix.core"] = {
    ctx = {register_var = function() end},
    log = {info = noted, warn = noted},
    schema = {check = function()
        return true
    end},
}
package.loaded["apisix.mesh.reply"] = {send = function()
    return "refused"
end}
package.loaded["resty.core.base"] = {new_tab = function()
    return {}
end}
package.loaded["resty.lrucache"] = {new = function()
    local all = {}
    return {
        get = function(_, k)
            return all[k]
        end,
        set = function(_, k, v)
            all[k] = v
        end,
    }
end}

-- A stand-in for resty.ipmatcher.
local function plain_ipmatcher()
    local ffi = require("ffi")
    ffi.cdef("int inet_pton(int af, const char *src, void *dst);")
    local function bits(address)
        local size, buffer = 4, ffi.new("unsigned char[16]")
        if ffi.C.inet_pton(2, address, buffer) ~= 1 then
            size = 16
            if ffi.C.inet_pton(10, address, buffer) ~= 1 then
                return nil
            end
        end
        local out = {}
        for i = 0, size - 1 do
            for b = 7, 0, -1 do
                out[#out + 1] = math.floor(buffer[i] / 2 ^ b) % 2
            end
        end
        return table.concat(out)
    end
    return {new = function(list)
        return {match = function(_, address)
            local a = bits(address)
            if not a then
                return false, "invalid address"
            end
            for _, range in ipairs(list) do
                local prefix, n = range:match("^(.*)/(%d+)$")
                local p = bits(prefix)
                if #p == #a and p:sub(1, tonumber(n)) == a:sub(1, tonumber(n)) then
                    return true
                end
            end
            return false
        end}
    end}
end

local real = apisix_path ~= "" and select(2, pcall(require, "resty.ipmatcher"))
if type(real) ~= "table" then
    assert(apisix_path == "", real)
    package.loaded["resty.ipmatcher"] = plain_ipmatcher()
end

local http = require("apisix.plugins.mesh-rbac")
local stream = require("apisix.stream.plugins.mesh-rbac")

-- bytes takes Latin-1 out of UTF-8, in which JSON has all bytes.
local function bytes(text)
    return (text:gsub("([\194\195])([\128-\191])", function(a, b)
        return string.char((a:byte() - 194) * 64 + b:byte())
    end))
end

local function request_headers(call)
    local all = {host = call.host}
    for _, h in ipairs(call.headers) do
        local name = h[1]:lower()
        -- nginx leaves blanks out around a value.
        local value = h[2]:match("^ *(.-) *$")
        if all[name] == nil then
            all[name] = value
        elseif type(all[name]) == "table" then
            table.insert(all[name], value)
        else
            all[name] = {all[name], value}
        end
    end
    return all
end

local function play(set, number, call)
    local peer = call.peer ~= "" and call.peer or nil
    vars = {
        connection = table.concat({number, call.peer, call.source, call.dest, call.sni}, "|"),
        realip_remote_addr = call.source, remote_addr = call.source, ssl_server_name = call.sni ~= "" and call.sni or nil,
        ssl_protocol = peer and "TLSv1.3" or nil,
    }
    why = ""
    local ctx = {mesh_peer_id = peer}
    if call.tcp then
        ctx.mesh_address, ctx.mesh_port = call.dest:match("^%[?(.-)%]?:(%d+)$")
        ctx.mesh_port = tonumber(ctx.mesh_port)
        return set.tcp and stream.preread(set.tcp, ctx) or "allowed", ""
    end
    local conf = set.http
    if call.port == 8081 then
        conf = set.grpc
    end
    method, headers = call.method, request_headers(call)
    ctx.var = {
        real_request_uri = bytes(call.path), http_content_type = headers["content-type"], connection_original_dst = call.dest,
    }
    local answer = conf and http.rewrite(conf, ctx)
    return answer or "allowed", ctx.var.upstream_uri or ""
end

local function configured(conf, plugin)
    if conf == nil or conf == cjson.null then
        return nil
    end
    assert(plugin.check_schema(conf))
    return conf
end

local number = 0
for line in io.lines() do
    number = number + 1
    local set = assert(cjson.decode(line))
    set.http, set.grpc, set.tcp = configured(set.http, http), configured(set.grpc, http), configured(set.tcp, stream)
    for _, call in ipairs(set.calls) do
        if call.headers == cjson.null then
            call.headers = {}
        end
        local what, path = play(set, number .. "/" .. call.port, call)
        io.write(what, "\t", what == "refused" and why or path, "\n")
    end
end
