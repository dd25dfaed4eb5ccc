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

-- The arithmetic of timeouts over several tries. Times are in seconds.

local min = math.min

local _M = {}

-- With less than this left there is no further try. nginx counts in milliseconds, and a try that was given all that was
-- left can end that much too early.
local LEAST = 0.005

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
-- nodes does not limit the number of tries.
function _M.around(picker, clear)
    local get = picker.get
    return {
        addr_to_domain = picker.addr_to_domain,
        upstream = picker.upstream,
        after_balance = picker.after_balance,
        get = function(ctx)
            local server, err = get(ctx)
            if not server then
                _M.forget(ctx, clear)
                server, err = get(ctx)
            end
            return server, err
        end,
    }
end

return _M
