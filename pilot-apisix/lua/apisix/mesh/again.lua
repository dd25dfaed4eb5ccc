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

-- The access phase of the locations that mesh-retry sends requests to. A try that fails with what its location stands for comes back
-- to the location's beginning (error_page): here it is decided whether there is another try, how long it waits and where it goes.
-- The last try has a location of its own, whose responses all pass.

local balancer = require("apisix.balancer")
local core = require("apisix.core")
local ctxdump = require("resty.ctxdump")
local retry = require("apisix.mesh.retry")
local tries = require("apisix.mesh.lb.tries")
local last = tries.last
local ngx = ngx
local floor = math.floor
local now = ngx.now
local random = math.random

-- The locations are there for each kind of TLS that needs locations of its own (apisix.mesh.origination), and for the rest.
local PREFIXES = {plain = "@mesh_retry_", tls = "@mesh_retry_tls_", mtls = "@mesh_retry_mtls_"}

-- So many times a request comes back. nginx follows ten redirects of a request: the first is that to the location of the first try,
-- and another one that to the last.
local MOST = 8

local _M = {}

-- Those of the last try.
local LAST

-- locations are those of the first tries of a class.
function _M.locations(class)
    local out = {}
    for kind, prefix in pairs(PREFIXES) do
        out[kind] = prefix .. class
    end
    return out
end

LAST = _M.locations("last")

-- stash keeps ngx.ctx for the next location; release lets go of it when there is none.
local function stash()
    ngx.var.ctx_ref = ctxdump.stash_ngx_ctx()
end

local function take()
    local ref = ngx.var.ctx_ref
    if not ref or ref == "" then
        return nil
    end
    ngx.var.ctx_ref = ""
    return ctxdump.apply_ngx_ctx(ref)
end

_M.release = take

-- begin sends a request to the location of its first try. plan has locations, conditions and backoff; attempts are the further
-- tries. native says that nginx itself repeats tries without a response there.
function _M.begin(ctx, plan, attempts)
    local tls = ctx.mesh_origination
    local finally = LAST[tls or "plain"]
    ctx.mesh_retry = {plan = plan, attempts = attempts, used = 0, comebacks = 0, finally = finally}
    ctx.mesh_tls_location = tls
    stash()
    return ngx.exec(attempts > 0 and plan.locations[tls or "plain"] or finally)
end

-- left are the further tries that nginx may make by itself.
function _M.left(state)
    if not state.last and not state.plan.native then
        return 0
    end
    local conditions = state.plan.conditions
    return conditions.unconnected and state.attempts - state.used or 0
end

-- repeats says whether the last try is of those that are repeated.
function _M.repeats(state)
    local var = ngx.var
    if last(var.upstream_header_time) then
        return true
    end
    local conditions = state.plan.conditions
    return conditions.any or conditions.unconnected and not last(var.upstream_connect_time)
end

local function chance(n)
    return floor(random() * n)
end

-- another is nil when there is another try, or the status that ends the request.
local function another(ctx, state)
    local var = ngx.var
    local seen = var.upstream_status
    if seen == state.seen then
        -- It was no try that failed.
        return 500
    end
    state.seen = seen
    local status = last(seen) or 502
    if state.used >= state.attempts or not _M.repeats(state) then
        return status
    end
    state.used, state.comebacks = state.used + 1, state.comebacks + 1
    local pause = retry.pause(state.plan.backoff, state.used, chance)
    local deadline = ctx.mesh_deadline
    if deadline then
        local left = retry.left(deadline, now())
        if not left then
            return 504
        end
        if left <= pause then
            ngx.sleep(left)
            return 504
        end
    end
    if pause > 0 then
        ngx.sleep(pause)
    end
    local server, err = balancer.pick_server(ctx.matched_route, ctx)
    if not server then
        core.log.warn("no further try: ", err)
        return status
    end
    ctx.picked_server = server
    return nil
end

-- access is the access phase of the locations of tries that are not the last.
function _M.access()
    ngx.ctx = take() or {}
    local ctx = ngx.ctx.api_ctx
    local state = ctx and ctx.mesh_retry
    if not state then
        return ngx.exit(500)
    end
    if state.trying then
        state.status = another(ctx, state)
        if state.status or state.used >= state.attempts or state.comebacks >= MOST then
            stash()
            return ngx.exec(state.finally)
        end
    end
    state.trying = true
    stash()
end

-- finally is the access phase of the location of the last try, and of what is not tried any more.
function _M.finally()
    ngx.ctx = take() or {}
    local ctx = ngx.ctx.api_ctx
    local state = ctx and ctx.mesh_retry
    if not state then
        return ngx.exit(500)
    end
    state.last = true
    if state.status then
        return ngx.exit(state.status)
    end
end

return _M
