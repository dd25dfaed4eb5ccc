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
-- What is tried again is decided by nginx (proxy_next_upstream), and that only per location. So the request goes on in a
-- named location of its class, which the configuration snippet of pilot-agent defines. Requests that are not idempotent
-- are tried again too, because Envoy does: Istio's user asks for retries with that in mind.
--
-- Different from Envoy: there is no pause before a further try; of a response's status only 500, 502, 503 and 504 are
-- seen; a try's timeout counts connecting and each read apart; a gRPC request is tried again only while no upstream has
-- seen it, because nginx does not keep its body.

local core = require("apisix.core")
local memo = require("apisix.mesh.memo")
local origination = require("apisix.mesh.origination")
local retry = require("apisix.mesh.retry")
local ctxdump = require("resty.ctxdump")
local balancer = require("ngx.balancer")
local ngx = ngx
local clear = core.table.clear
local error = error
local get_phase = ngx.get_phase
local now = ngx.now
local rawget = rawget
local setmetatable = setmetatable

-- nginx's and APISIX's own, for upstreams that say nothing.
local DEFAULTS = {connect = 60, send = 60, read = 60}

-- The locations of the classes. What connect-failure does is the server's default.
local LOCATIONS = {
    ["connect-failure"] = "@mesh_retry_connect_failure",
    ["reset"] = "@mesh_retry_reset",
    ["gateway-error"] = "@mesh_retry_gateway_error",
    ["5xx"] = "@mesh_retry_5xx",
}

local seconds = {type = "number", exclusiveMinimum = 0}
local schema = {
    type = "object",
    properties = {
        -- How many further tries there may be; those of the upstream where it is absent.
        attempts = {type = "integer", minimum = 0},
        per_try_timeout = seconds,
        -- Further tries rather go to other priorities of an upstream of the type "mesh".
        remote_localities = {type = "boolean", default = false},
        -- From when the request is complete to when the response is.
        timeout = seconds,
        class = {
            type = "string",
            enum = {"connect-failure", "reset", "gateway-error", "5xx"},
            default = "connect-failure",
        },
    },
    additionalProperties = false,
}

local _M = {
    version = 0.1,
    -- After every other plugin with a before_proxy, because none runs after this one.
    priority = -9000,
    name = "mesh-retry",
    schema = schema,
}

function _M.check_schema(conf)
    return core.schema.check(schema, conf)
end

-- The balancer reads an upstream's retries and timeout when it begins the first try. The request is complete then, which
-- is the moment from which Envoy counts.
local wrapper = {}

function wrapper.__index(self, key)
    local real, plan = rawget(self, "_real"), rawget(self, "_plan")
    if key == "timeout" and plan.most then
        if get_phase() == "balancer" and plan.timeout then
            local ctx = ngx.ctx.api_ctx
            if ctx and not ctx.mesh_deadline then
                ctx.mesh_deadline = now() + plan.timeout
            end
        end
        return rawget(self, "_limits")
    end
    return real[key]
end

local plan_of = memo.new(function(conf)
    local class = conf.class or "connect-failure"
    return {
        attempts = conf.attempts,
        timeout = conf.timeout,
        most = retry.most(conf.per_try_timeout, conf.timeout),
        -- In its location a body is not held back, so that it can be cut when the time is over.
        location = (class ~= "connect-failure" or conf.timeout) and LOCATIONS[class] or nil,
        -- The same for an upstream with TLS of its own.
        secured = origination.LOCATIONS[class],
        -- Upstreams as this plan shows them to the balancer. They come and go with every change of endpoints.
        wrapped = setmetatable({}, {__mode = "kv"}),
    }
end)

-- The same for APISIX's pickers of nodes.
local pickers = setmetatable({}, {__mode = "kv"})

local function wrap(plan, real)
    local wrapped = plan.wrapped[real]
    if not wrapped then
        wrapped = setmetatable({
            _real = real,
            _plan = plan,
            _limits = plan.most and retry.limits(real.timeout, DEFAULTS, plan.most),
            retries = plan.attempts,
        }, wrapper)
        plan.wrapped[real] = wrapped
    end
    return wrapped
end

-- again runs before every further try.
local function again(plan, ctx)
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
        return again(plan, ctx)
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
        local around = pickers[picker]
        if not around then
            around = retry.around(picker, clear)
            pickers[picker] = around
        end
        ctx.server_picker = around
    end
    local scheme = ctx.upstream_scheme
    if scheme == "grpc" or scheme == "grpcs" then
        return
    end
    if ctx.mesh_origination then
        return origination.go(ctx, plan.secured)
    end
    if not plan.location then
        return
    end
    -- The rest of APISIX's access phase does not run any more; this much of it matters.
    if not ctx._resp_source then
        ctx._apisix_proxied = true
    end
    ngx.var.ctx_ref = ctxdump.stash_ngx_ctx()
    return ngx.exec(plan.location)
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

return _M
