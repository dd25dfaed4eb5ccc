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

-- Retries by kind of failure, with a timeout for each try and one for them all, as Envoy's route has them. APISIX's
-- own are per read, and retry what nginx's configuration says for all routes alike.
--
-- nginx decides per location which responses do not pass. So the request goes on in a named location of its class, which the
-- configuration snippet of pilot-agent defines; a try that fails comes back there, waits and begins anew (apisix.mesh.again).
-- Requests that are not idempotent are tried again too, because Envoy does: Istio's user asks for retries with that in mind.
--
-- Where the statuses of a class leave 502 or 504 out, which are also what nginx makes of a try without a response, nginx itself
-- repeats those tries, without a pause.
--
-- Different from Envoy: a try's timeout counts connecting and each read apart; a gRPC request is tried again only while no
-- upstream has seen it, because nginx does not keep its body, and at once.

local core = require("apisix.core")
local again = require("apisix.mesh.again")
local memo = require("apisix.mesh.memo")
local retry = require("apisix.mesh.retry")
local balancer = require("ngx.balancer")
local ngx = ngx
local clear = core.table.clear
local error = error
local get_phase = ngx.get_phase
local ipairs = ipairs
local now = ngx.now
local rawget = rawget
local setmetatable = setmetatable

-- nginx's and APISIX's own, for upstreams that say nothing.
local DEFAULTS = {connect = 60, send = 60, read = 60}

-- What Istio's default policy repeats of HTTP/1.1.
local DEFAULT_ON = {"connect-failure"}

-- Envoy's, in seconds.
local DEFAULT_BACKOFF = 0.025

local seconds = {type = "number", exclusiveMinimum = 0}
local schema = {
    type = "object",
    properties = {
        -- How many further tries there may be; those of the upstream where it is absent.
        attempts = {type = "integer", minimum = 0},
        -- What the time before the first further try is at most; later ones wait longer.
        backoff = seconds,
        -- Envoy's conditions.
        on = {
            type = "array",
            items = {type = "string", enum = {"5xx", "connect-failure", "gateway-error", "reset", "reset-before-request"}},
        },
        per_try_timeout = seconds,
        -- Further tries may go to endpoints that were tried.
        previous_hosts = {type = "boolean", default = false},
        -- Further tries rather go to other priorities of an upstream of the type "mesh".
        remote_localities = {type = "boolean", default = false},
        -- The statuses that are repeated beside those of the conditions, in ascending order.
        statuses = {type = "array", items = {type = "integer", minimum = 300, maximum = 599}},
        -- From when the request is complete to when the response is.
        timeout = seconds,
    },
    additionalProperties = false,
}

local _M = {
    version = 0.2,
    -- After every other plugin with a before_proxy, because none runs after this one.
    priority = -9000,
    name = "mesh-retry",
    schema = schema,
}

function _M.check_schema(conf)
    return core.schema.check(schema, conf)
end

-- The classes that config.yaml has locations for.
local classes

local function known(class)
    if not classes then
        classes = {}
        for _, name in ipairs(core.table.try_read_attr(core.config.local_conf(), "plugin_attr", "mesh", "retry_classes") or {}) do
            classes[name] = true
        end
    end
    return classes[class]
end

-- The balancer reads an upstream's retries and timeout when it begins the first try. The request is complete then, which
-- is the moment from which Envoy counts.
local wrapper = {}

function wrapper.__index(self, key)
    local real, plan = rawget(self, "_real"), rawget(self, "_plan")
    if key == "timeout" and plan.most then
        local limits = rawget(self, "_limits")
        local ctx = ngx.ctx.api_ctx
        if not plan.timeout or not ctx or get_phase() ~= "balancer" then
            return limits
        end
        if not ctx.mesh_deadline then
            ctx.mesh_deadline = now() + plan.timeout
            return limits
        end
        local left = retry.left(ctx.mesh_deadline, now()) or retry.LEAST
        return left < plan.most and retry.limits(real.timeout, DEFAULTS, left) or limits
    end
    if key == "retries" then
        local state = ngx.ctx.api_ctx and ngx.ctx.api_ctx.mesh_retry
        if state then
            return again.left(state)
        end
        return plan.attempts or real.retries
    end
    return real[key]
end

-- covers says that what nginx makes of tries without a response is among the statuses that come back.
local function covers(class, statuses)
    if class == "reset" or core.string.has_prefix(class, "5xx") or core.string.has_prefix(class, "gateway_error") then
        return true
    end
    local n = 0
    for _, status in ipairs(statuses) do
        if status == 502 or status == 504 then
            n = n + 1
        end
    end
    return n == 2
end

local plan_of = memo.new(function(conf)
    local on, statuses = conf.on or DEFAULT_ON, conf.statuses or {}
    local class = retry.class(on, statuses, known)
    return {
        attempts = conf.attempts,
        backoff = conf.backoff or DEFAULT_BACKOFF,
        timeout = conf.timeout,
        most = retry.most(conf.per_try_timeout, conf.timeout),
        conditions = retry.conditions(on),
        native = not covers(class, statuses),
        locations = again.locations(class),
        -- Upstreams as this plan shows them to the balancer. They come and go with every change of endpoints.
        wrapped = setmetatable({}, {__mode = "kv"}),
        -- The same for APISIX's pickers of nodes.
        pickers = setmetatable({}, {__mode = "kv"}),
        previous = conf.previous_hosts,
    }
end)

local function wrap(plan, real)
    local wrapped = plan.wrapped[real]
    if not wrapped then
        wrapped = setmetatable({
            _real = real,
            _plan = plan,
            _limits = plan.most and retry.limits(real.timeout, DEFAULTS, plan.most),
        }, wrapper)
        plan.wrapped[real] = wrapped
    end
    return wrapped
end

-- repeated runs before every further try that nginx makes by itself.
local function repeated(plan, ctx)
    local state = ctx.mesh_retry
    if state then
        state.used = state.used + 1
        if not again.repeats(state) then
            local _, status = balancer.get_last_failure()
            return core.response.exit(status or 502)
        end
    end
    local deadline = ctx.mesh_deadline
    if not deadline then
        return
    end
    local left = retry.left(deadline, now())
    if not left then
        return core.response.exit(504)
    end
    if left < plan.most then
        local up = ctx.upstream_conf
        local real = rawget(up, "_real") or up
        local limits = retry.limits(real.timeout, DEFAULTS, left)
        local ok, err = balancer.set_timeouts(limits.connect, limits.send, limits.read)
        if not ok then
            core.log.error("the timeouts of a further try are not set: ", err)
        end
    end
end

function _M.before_proxy(conf, ctx)
    local plan = plan_of(conf)
    if get_phase() == "balancer" then
        return repeated(plan, ctx)
    end
    local up = ctx.upstream_conf
    -- Requests that a plugin sends by itself have no upstream of nginx's. An upgraded connection may stay as long as it
    -- likes, and be silent.
    if not up or ctx.bypass_nginx_upstream or ctx.dubbo_proxy_enabled or (ctx.var.upstream_upgrade or "") ~= "" then
        return
    end
    ctx.upstream_conf = wrap(plan, up)
    if conf.remote_localities then
        ctx.mesh_retry_remote = {attempted = {}}
    end
    -- Where there is one node only, there is no picker, and all tries go to it.
    local picker = ctx.server_picker
    if picker then
        local around = plan.pickers[picker]
        if not around then
            around = retry.around(picker, clear, plan.previous)
            plan.pickers[picker] = around
        end
        ctx.server_picker = around
    end
    local scheme = ctx.upstream_scheme
    local attempts = plan.attempts or up.retries or 0
    -- In the locations a body is not held back, so that it can be cut when the time is over.
    if attempts == 0 and not plan.timeout or scheme == "grpc" or scheme == "grpcs" then
        return
    end
    -- The rest of APISIX's access phase does not run any more; this much of it matters.
    if not ctx._resp_source then
        ctx._apisix_proxied = true
    end
    return again.begin(ctx, plan, attempts)
end

-- Only a response that has come in time is cut: the page that says that it did not must pass.
function _M.header_filter(_, ctx)
    local deadline = ctx.mesh_deadline
    if deadline and now() < deadline then
        ctx.mesh_cut = true
    end
end

-- Failing is what makes nginx close the connection (or reset the stream): ending the body would look complete.
function _M.body_filter(_, ctx)
    if ctx.mesh_cut and now() >= ctx.mesh_deadline then
        ctx.mesh_cut = nil
        error("the response has not come to its end within the route's timeout", 0)
    end
end

function _M.log(_, ctx)
    if ctx.mesh_retry then
        again.release()
    end
end

return _M
