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

-- What is tried again, when and for how long. Times are in seconds.

local concat = table.concat
local ipairs = ipairs
local min = math.min

local _M = {}

-- With less than this left there is no further try. nginx counts in milliseconds, and a try that was given all that was
-- left can end that much too early.
local LEAST = 0.005
_M.LEAST = LEAST

-- limits are the timeouts of one try: those of the upstream, none of them longer than most. defaults stand in for what the
-- upstream does not say.
function _M.limits(timeout, defaults, most)
    timeout = timeout or defaults
    return {
        connect = min(timeout.connect, most),
        send = min(timeout.send, most),
        read = most,
    }
end

-- most is how long a try may take at most, or nil: its own timeout, and what is left of the whole.
function _M.most(per_try, left)
    if not per_try then
        return left
    end
    if not left then
        return per_try
    end
    return min(per_try, left)
end

-- left is what is left until the deadline, or nil where that is nothing to speak of.
function _M.left(deadline, now)
    local left = deadline - now
    if left < LEAST then
        return nil
    end
    return left
end

-- forget makes APISIX take every node for untried in this request.
function _M.forget(ctx, clear)
    local tried = ctx.balancer_tried_servers
    if tried then
        clear(tried)
        ctx.balancer_tried_servers_count = 0
    end
    ctx.priority_balancer_picker_idx = nil
end

-- around is a picker of APISIX's that, when every node was tried, begins anew instead of giving up: to Envoy the number of
-- nodes does not limit the number of tries. With previous it begins anew at every try: any node will do.
function _M.around(picker, clear, previous)
    local get = picker.get
    return {
        addr_to_domain = picker.addr_to_domain,
        upstream = picker.upstream,
        after_balance = picker.after_balance,
        get = function(ctx)
            if previous and ctx.balancer_tried_servers then
                -- APISIX's consistent hash goes on from the last node as long as there are tried ones.
                _M.forget(ctx, clear)
                ctx.balancer_tried_servers = nil
            end
            local server, err = get(ctx)
            if not server then
                _M.forget(ctx, clear)
                server, err = get(ctx)
            end
            return server, err
        end,
    }
end

-- Each of these conditions has those after it, as far as tries without a response go.
local WITHOUT_RESPONSE = {"5xx", "gateway-error", "reset"}
local UNCONNECTED = {"connect-failure", "reset-before-request"}

-- conditions are what a list of Envoy's conditions means for a try without a response: repeated whatever it failed with
-- (any), or where there was no connection (unconnected).
function _M.conditions(on)
    local set, out = {}, {any = false, unconnected = false}
    for _, condition in ipairs(on) do
        set[condition] = true
    end
    for _, condition in ipairs(WITHOUT_RESPONSE) do
        out.any = out.any or set[condition] or false
    end
    for _, condition in ipairs(UNCONNECTED) do
        out.unconnected = out.unconnected or set[condition] or false
    end
    out.unconnected = out.unconnected or out.any
    return out
end

-- class names the location for these conditions and statuses, after "@mesh_retry_"; known(class) says whether it is there.
-- Without it there is the nearest that repeats nothing else.
function _M.class(on, statuses, known)
    local base
    for _, condition in ipairs(on) do
        if condition == "5xx" then
            base = "5xx"
        elseif condition == "gateway-error" then
            base = base or "gateway_error"
        end
    end
    local class = concat(statuses, "_")
    if base then
        class = class == "" and base or base .. "_" .. class
    end
    if class == "" or not known(class) then
        return base or "reset"
    end
    return class
end

-- pause is how long to wait before the nth further try: as long as chance wants, up to a limit that doubles each time, and at
-- last is ten times the base. random(n) is a whole number from 0 to n - 1. Envoy counts in milliseconds, too.
function _M.pause(base, n, random)
    local most = base * 1000
    most = min(most * 2 ^ (n - 1), most * 10)
    return most < 1 and 0 or random(most) / 1000
end

return _M
