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

-- The balancer of upstreams of the type "mesh": what Istio's DestinationRule asks for and APISIX's own balancers lack. APISIX
-- loads apisix.balancer.<type> for whatever type an upstream has, for HTTP and for streams.
--
-- The upstream says in discovery_args.mesh how to choose (policy, minimum_ring_size, warmup, locality_weighted), what to leave
-- out (outlier_detection, min_health_percent) and how much to let through (connection_pool, retry_budget). discovery_args is
-- the only place of an upstream that APISIX's schema leaves open, and without a discovery_type nobody else reads it. A node says
-- in its metadata which priority, locality and locality_weight it has, and whether it is unhealthy. As on Envoy a smaller
-- priority comes first; APISIX's own node priority stays out of it, because there one level must fail as a whole before the
-- next is used.
--
-- A node whose metadata has dns stands for the addresses of that DNS name, or for the first of them where discovery_args.mesh.dns says
-- "one". Where that says "host", the endpoint is the host that the request names. The host of such a node is none: APISIX would replace a name by one address, and look at it for every request.
--
-- A node whose metadata has unix is the unix domain socket of that path: apisix.mesh.pool connects there. Its host and port are there
-- for APISIX, which could make nothing of a path.
--
-- An upstream of a single node APISIX does not ask its balancer about. Where it matters such an upstream has the node a second
-- time, with the weight 0, which here means no requests.

local core = require("apisix.core")
local cluster = require("apisix.mesh.lb.cluster")
local dynamic = require("apisix.mesh.dynamic")
local limits = require("apisix.mesh.lb.limits")
local memory = require("apisix.mesh.lb.store")
local resolver = require("apisix.mesh.resolver")
local ring = require("apisix.mesh.lb.ring")
local tries = require("apisix.mesh.lb.tries")
local warmup = require("apisix.mesh.lb.warmup")
local waits = resolver.waits
local last_failure = require("ngx.balancer").get_last_failure
local ngx = ngx
local get_phase = ngx.get_phase
local ipairs = ipairs
local nth = tries.nth
local pairs = pairs
local random = math.random
local setmetatable = setmetatable
local tonumber = tonumber
local tostring = tostring

local is_http = ngx.config.subsystem == "http"
local dict = is_http and "mesh-balancer" or "mesh-balancer-stream"
local grpc = is_http and require("apisix.mesh.grpc")
local reply = is_http and require("apisix.mesh.reply")

local store = ngx.shared[dict]
if not store then
    core.log.warn("there is no lua_shared_dict ", dict, ": each worker process counts for itself")
    store = memory.new()
end

-- Envoy's answers where there is nobody to send to, and where there are too many requests.
local NO_HOST = "no healthy upstream"
local OVERFLOW = "upstream connect error or disconnect/reset before headers. reset reason: overflow"

local env = {store = store, random = random, digest = ngx.md5_bin, now = ngx.now}

local _M = {}

-- What outlives a change of the upstream: active requests. The values are weak, because pickers and the requests under way hold
-- them for as long as there is anything to count.
local states = setmetatable({}, {__mode = "v"})

local function state_of(name)
    local state = states[name]
    if not state then
        state = {
            name = name,
            loads = setmetatable({}, {__mode = "v"}),
        }
        states[name] = state
    end
    return state
end

-- met keeps when the hosts of an upstream were first seen.
local function met(state, hosts)
    local now, before, gone = {}, state.met or {}, {}
    for _, h in ipairs(hosts) do
        now[h.addr] = true
    end
    for addr in pairs(before) do
        if not now[addr] then
            gone[#gone + 1] = addr
        end
    end
    state.met = now
    warmup.note(store, state.name, hosts, gone, ngx.now())
end

-- place is that of the request's key on the hash ring.
local function place(ctx, key)
    local value = key and ctx.var[key] or ctx.var.remote_addr
    return ring.hash(tostring(value), env.digest)
end

-- refuse answers with 503 while that can be done; otherwise APISIX does with what this returns.
local function refuse(ctx, body, overloaded)
    if is_http and get_phase() == "access" then
        if ctx.mesh_tries then
            -- A further try: mesh-retry answers with what was to be repeated.
            return nil, body
        end
        if overloaded then
            ngx.header["x-envoy-overloaded"] = "true"
        end
        return reply.send(ctx, 503, body)
    end
    if is_http then
        local _, status = last_failure()
        return core.response.exit(status or 503)
    end
    return nil, body
end

-- remote are the priorities that a further try goes to only where there are no others, or nil. As on Envoy with Istio's settings
-- (previous_priorities) they are looked at anew after every second try.
local function remote(ctx)
    local tried = ctx.mesh_retry_remote
    if not tried or not ctx.mesh_priority then
        return nil
    end
    tried.attempted[ctx.mesh_priority] = true
    if ctx.mesh_tries % 2 == 0 then
        tried.excluded = tried.excluded or {}
        for priority in pairs(tried.attempted) do
            tried.excluded[priority] = true
        end
    end
    return tried.excluded
end

-- report tells the detector how a try has ended.
local function report(detector, host, n)
    local var, now = ngx.var, ngx.now()
    local connected = nth(var.upstream_connect_time, n)
    if connected then
        detector:connected(host, not is_http)
    end
    if not is_http then
        if not connected then
            detector:failed(host, false, now)
        end
        return
    end
    local status = nth(var.upstream_status, n)
    if nth(var.upstream_header_time, n) then
        -- A gRPC response without a message has its status in the headers.
        local code = tonumber(var.upstream_http_grpc_status)
        if code and grpc.is_grpc(var.http_content_type) then
            status = grpc.to_http(code)
        end
        detector:response(host, status or 200, now)
    elseif status == 502 or status == 504 then
        detector:failed(host, status == 504, now)
    end
end

local function tried(ctx, addr)
    if not ctx.balancer_tried_servers then
        ctx.balancer_tried_servers = core.tablepool.fetch("balancer_tried_servers", 0, 2)
    end
    ctx.balancer_tried_servers[addr] = true
    ctx.balancer_tried_servers_count = (ctx.balancer_tried_servers_count or 0) + 1
end

-- version is one that changes with the addresses of names.
local function version_of(names)
    local sum = 0
    for _, name in ipairs(names) do
        sum = sum + name.version
    end
    return sum
end

-- members are the endpoints of an upstream, and what they share with those of its other generations.
local function members_of(upstream)
    local args = upstream.discovery_args
    local conf = args and args.mesh or {policy = "least_request"}
    local state = state_of(upstream.resource_key or tostring(upstream))
    local nodes, names = {}, nil
    if conf.dns ~= "host" then
        nodes, names = resolver.expand(upstream.nodes, conf, waits())
    end
    local hosts = cluster.hosts(nodes, state.loads)
    if conf.warmup then
        met(state, hosts)
    end
    local members = cluster.new(state.name, hosts, conf, env)
    members.names, members.version = names, names and version_of(names)
    return members, state
end

-- current are members, or others where the addresses of a name are others.
local function current(members, upstream)
    local names = members.names
    if names and version_of(names) ~= members.version then
        return members_of(upstream)
    end
    return members
end

-- Those of requests that do not go through a picker, by the list of nodes, which is another one when it changes.
local aside = setmetatable({}, {__mode = "k"})

-- pick is a node {host=, port=, unix=} for a request that a plugin sends by itself, or nil. It is not counted.
function _M.pick(upstream)
    local members = aside[upstream.nodes]
    if members then
        members = current(members, upstream)
    else
        members = members_of(upstream)
    end
    aside[upstream.nodes] = members
    local host = members:choose(ngx.now(), members.conf.policy == "consistent_hash" and random(0, 2 ^ 32 - 1) or nil)
    return host and host.node
end

-- new is a picker of APISIX's. up_nodes, the nodes by address and weight, does not have all that the upstream has.
function _M.new(_, upstream)
    local members, state = members_of(upstream)
    local conf = members.conf
    local budget = conf.retry_budget
    local pool = conf.connection_pool or budget and {}
    if pool and not state.limits then
        state.limits = limits.new(store, state.name, ngx.worker.id() or 0, ngx.worker.count())
    end
    local hashed = conf.policy == "consistent_hash"
    local sleep = is_http and ngx.sleep or nil

    local picker = {upstream = upstream}

    local function admit(ctx)
        if ctx.mesh_tries then
            if ctx.mesh_again then
                return true
            end
            ctx.mesh_again = state.limits:again(pool, budget)
            return ctx.mesh_again
        end
        ctx.mesh_admitted = state.limits:admit(pool, sleep)
        return ctx.mesh_admitted
    end

    function picker.get(ctx)
        if pool and not admit(ctx) then
            return refuse(ctx, OVERFLOW, true)
        end
        local host
        if conf.dns == "host" then
            host = dynamic.choose(ctx, upstream, conf, is_http)
        else
            members = current(members, upstream)
            local at, tried_before, other_than = hashed and place(ctx, upstream.key), ctx.balancer_tried_servers, remote(ctx)
            if members.mixed and ctx.mesh_plain ~= nil then
                host = members:choose_like(ctx.mesh_plain, ngx.now(), at, tried_before, other_than)
            else
                host = members:choose(ngx.now(), at, tried_before, other_than)
            end
        end
        if not host then
            picker.release(ctx)
            return refuse(ctx, NO_HOST)
        end
        host.load.active = host.load.active + 1
        ctx.mesh_plain = host.plain
        ctx.mesh_host, ctx.mesh_tries, ctx.mesh_priority = host, (ctx.mesh_tries or 0) + 1, host.priority
        return host.addr
    end

    function picker.release(ctx)
        if ctx.mesh_admitted then
            state.limits:add("active", -1)
        end
        if ctx.mesh_again then
            state.limits:add("retries", -1)
        end
        ctx.mesh_admitted, ctx.mesh_again = nil, nil
    end

    function picker.after_balance(ctx, before_retry)
        local host = ctx.mesh_host
        ctx.balancer_server, ctx.mesh_host = nil, nil
        if host then
            host.load.active = host.load.active - 1
            if members.detector then
                report(members.detector, host, ctx.mesh_tries)
            end
            if before_retry then
                tried(ctx, host.addr)
            end
        end
        if before_retry then
            return
        end
        picker.release(ctx)
        if ctx.balancer_tried_servers then
            core.tablepool.release("balancer_tried_servers", ctx.balancer_tried_servers)
            ctx.balancer_tried_servers = nil
        end
    end

    -- Without it APISIX refuses nodes of several priorities.
    picker.before_retry_next_priority = function() end
    return picker
end

return _M
