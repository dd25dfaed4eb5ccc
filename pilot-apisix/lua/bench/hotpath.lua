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

-- What the Lua of the hot path costs on LuaJIT, without nginx: `make bench-lua`. For each case the time of one call and the bytes that
-- it leaves for the garbage collector.

local clienthello = require("apisix.mesh.clienthello")
local cluster = require("apisix.mesh.lb.cluster")
local headers = require("apisix.mesh.headers")
local normalise = require("apisix.mesh.normalise")
local path = require("apisix.mesh.path")
local rbac = require("apisix.mesh.rbac")
local store = require("apisix.mesh.lb.store")
local stream_router = require("apisix.mesh.stream_router")

local clock = os.clock

-- measure calls f(1) to f(n), after a warm-up, and keeps the best of five rounds: the machine has others on it.
local function measure(name, n, f)
    for i = 1, n do
        f(i)
    end
    local best, bytes = math.huge, 0
    for _ = 1, 5 do
        collectgarbage()
        collectgarbage("stop")
        local before, start = collectgarbage("count"), clock()
        for i = 1, n do
            f(i)
        end
        local took = clock() - start
        if took < best then
            best, bytes = took, (collectgarbage("count") - before) * 1024
        end
        collectgarbage("restart")
    end
    print(string.format("%-58s %9.3f us %8.1f bytes", name, best / n * 1e6, bytes / n))
end

local function address(i)
    return "10." .. i % 200 .. "." .. math.floor(i / 200) % 200 .. ".1"
end

-- The addresses are made before, so that only the router is measured.
local addresses = {}
for i = 1, 1000 do
    addresses[i] = address(i)
end

for _, n in ipairs({10, 1000}) do
    local routes = {{value = {upstream_id = "any"}}, {value = {server_port = 443, upstream_id = "any"}}}
    for i = 1, n do
        routes[#routes + 1] = {value = {server_port = 3306, server_addr = addresses[i], upstream_id = "a"}}
        routes[#routes + 1] = {value = {server_port = 443, sni = "host" .. i .. ".example.com", upstream_id = "a"}}
    end
    measure("stream router: index of " .. n .. " addresses and names", 20, function()
        stream_router.build(routes, function() end)
    end)
    local index = stream_router.build(routes, function() end)
    measure("stream router: one of " .. n .. " addresses", 1e6, function(i)
        return stream_router.route(stream_router.group(index, false, addresses[i % n + 1], 3306), nil)
    end)
    local names = {}
    for i = 1, n do
        names[i] = "host" .. i .. ".example.com"
    end
    measure("stream router: one of " .. n .. " server names", 1e6, function(i)
        return stream_router.route(stream_router.group(index, false, "192.0.2.1", 443), names[i % n + 1])
    end)
end

-- A ClientHello as browsers send it: 517 bytes, the name among other extensions.
local function u16(n)
    return string.char(math.floor(n / 256), n % 256)
end
local function extension(kind, body)
    return u16(kind) .. u16(#body) .. body
end
local name = "\0" .. u16(15) .. "api.example.com"
local extensions = extension(10, string.rep("x", 60)) .. extension(0, u16(#name) .. name) .. extension(51, string.rep("k", 330))
local body = u16(0x303) .. string.rep("r", 32) .. "\32" .. string.rep("s", 32) .. u16(4) .. "\19\1\19\2" .. "\1\0" .. u16(#extensions) .. extensions
local hello = "\22\3\1" .. u16(#body + 4) .. "\1\0" .. u16(#body) .. body
assert(clienthello.read(hello) == "api.example.com")
measure("ClientHello: the server name of " .. #hello .. " bytes", 2e5, function()
    return clienthello.read(hello)
end)

local function digest(text)
    local x = 7
    for j = 1, #text do
        x = (x * 31 + text:byte(j)) % 2147483647
    end
    return string.rep(string.char(x % 256, math.floor(x / 256) % 256, math.floor(x / 65536) % 256, x % 251), 4)
end

for _, n in ipairs({10, 200}) do
    local nodes = {}
    for i = 1, n do
        nodes[i] = {host = addresses[i], port = 80, weight = 1 + i % 3, metadata = {priority = i % 2}}
    end
    for _, policy in ipairs({"random", "round_robin", "least_request"}) do
        local env = {store = store.new(), random = math.random, digest = digest, now = function() return 100 end}
        local conf = {policy = policy, outlier_detection = {
            consecutive_5xx_errors = 5, consecutive_gateway_errors = 0, interval = 10, base_ejection_time = 30, max_ejection_percent = 50,
        }}
        local c = cluster.new("up", cluster.hosts(nodes, {}), conf, env)
        measure("balancer: " .. policy .. ", " .. n .. " endpoints", 1e6, function()
            return c:choose(100)
        end)
        measure("balancer: " .. policy .. ", " .. n .. " endpoints anew", 50, function()
            cluster.new("up", cluster.hosts(nodes, {}), conf, env)
        end)
    end
end

local nothing = function() end
local target = {remove = nothing, set = nothing, add = nothing}
local static = headers.plan({remove = {"x-a"}, values = {{name = "x-b", value = "1"}, {name = "x-c", value = "2", append = true}}})
measure("headers: one removed, one set, one added", 1e6, function()
    headers.apply(static, target, nil, nil)
end)
local dynamic = headers.plan({values = {{name = "x-b", value = {"from ", {var = "remote_addr"}}}}})
local vars = {remote_addr = "192.0.2.1"}
measure("headers: one set from a variable", 1e6, function()
    headers.apply(dynamic, target, nil, vars)
end)
measure("path: a prefix replaced", 1e6, function()
    return path.rewritten("/api/v1/items?q=1", "/api/v1/items", "/api/", "/")
end)

-- A hundred identities may do what two paths are for.
do
    local principals = {}
    for i = 1, 100 do
        principals[i] = "spiffe://cluster.local/ns/default/sa/account" .. i
    end
    local sources = {
        ["source.principal"] = function(ctx)
            return ctx.id
        end,
        path = function(ctx)
            return (normalise.normalise(ctx.target, "BASE"))
        end,
    }
    local from = {{{attribute = "source.principal", exact = principals}}}
    local plan = rbac.plan({
        deny = {{to = {{{attribute = "path", prefix = {"/admin"}}}}}},
        allow = {{from = from, to = {{{attribute = "path", exact = {"/a"}, prefix = {"/reviews/"}}}}}},
    }, sources)
    local ctx = {id = principals[50], target = "/reviews/1"}
    local found = rbac.connection(plan, ctx)
    measure("authorization: a request, two rules on paths", 1000000, function()
        return rbac.request(found, ctx)
    end)
    local by_identity = rbac.connection(rbac.plan({allow = {{from = from}}}, sources), ctx)
    measure("authorization: a request, decided with its connection", 1000000, function()
        return rbac.request(by_identity, ctx)
    end)
    measure("authorization: a connection", 100000, function()
        return rbac.connection(plan, ctx)
    end)
end
