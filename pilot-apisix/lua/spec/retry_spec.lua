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

local retry = require("apisix.mesh.retry")

describe("retry", function()
    it("gives a try what it may take at most", function()
        assert.equal(1, retry.most(1, 3))
        assert.equal(3, retry.most(5, 3))
        assert.equal(1, retry.most(1, nil))
        assert.equal(3, retry.most(nil, 3))
        assert.is_nil(retry.most(nil, nil))
    end)

    it("shortens an upstream's timeouts only", function()
        local defaults = {connect = 60, send = 60, read = 60}
        assert.same({connect = 2, send = 2, read = 2}, retry.limits(nil, defaults, 2))
        assert.same({connect = 1, send = 2, read = 2}, retry.limits({connect = 1, send = 9, read = 9}, defaults, 2))
        -- reading is what the timeout is about, be it longer than the upstream's
        assert.same({connect = 1, send = 1, read = 90}, retry.limits({connect = 1, send = 1, read = 1}, defaults, 90))
    end)

    it("knows when the time is over", function()
        assert.equal(2, retry.left(12, 10))
        assert.is_nil(retry.left(10, 10))
        assert.is_nil(retry.left(9, 10))
        assert.is_nil(retry.left(10.004, 10))
    end)

    it("goes round the nodes", function()
        -- a picker as APISIX's roundrobin is one, of two nodes
        local nodes = {"a:1", "b:1"}
        local picker = {addr_to_domain = {}}
        function picker.get(ctx)
            local tried = ctx.balancer_tried_servers
            for _, n in ipairs(nodes) do
                if not tried or not tried[n] then
                    return n
                end
            end
            return nil, "all upstream servers tried"
        end
        function picker.after_balance(ctx)
            ctx.balancer_tried_servers = ctx.balancer_tried_servers or {}
            ctx.balancer_tried_servers[ctx.balancer_server] = true
            ctx.balancer_tried_servers_count = (ctx.balancer_tried_servers_count or 0) + 1
        end
        local function clear(t)
            for k in pairs(t) do
                t[k] = nil
            end
        end
        local around = retry.around(picker, clear)
        assert.equal(picker.addr_to_domain, around.addr_to_domain)
        local ctx, order = {priority_balancer_picker_idx = 2}, {}
        for i = 1, 5 do
            order[i] = around.get(ctx)
            ctx.balancer_server = order[i]
            around.after_balance(ctx)
        end
        assert.same({"a:1", "b:1", "a:1", "b:1", "a:1"}, order)
        assert.is_nil(ctx.priority_balancer_picker_idx)
        nodes = {}
        local server, err = around.get({})
        assert.is_nil(server)
        assert.equal("all upstream servers tried", err)
    end)

    it("says what of tries without a response is repeated", function()
        assert.same({any = true, unconnected = true}, retry.conditions({"5xx"}))
        assert.same({any = true, unconnected = true}, retry.conditions({"connect-failure", "reset"}))
        assert.same({any = false, unconnected = true}, retry.conditions({"reset-before-request"}))
        assert.same({any = false, unconnected = false}, retry.conditions({}))
    end)

    it("names classes", function()
        local all = function() return true end
        local none = function() return false end
        assert.equal("reset", retry.class({"connect-failure"}, {}, none))
        assert.equal("5xx", retry.class({"gateway-error", "5xx"}, {}, all))
        assert.equal("gateway_error_409", retry.class({"gateway-error"}, {409}, all))
        assert.equal("404_503", retry.class({"reset"}, {404, 503}, all))
        assert.equal("gateway_error", retry.class({"gateway-error"}, {409}, none))
        assert.equal("reset", retry.class({"reset"}, {404, 503}, none))
    end)

    it("waits longer each time", function()
        local most = {}
        local function random(n)
            most[#most + 1] = n
            return n - 1
        end
        local pauses = {}
        for n = 1, 6 do
            pauses[n] = retry.pause(0.025, n, random)
        end
        assert.same({25, 50, 100, 200, 250, 250}, most)
        assert.same({0.024, 0.049, 0.099, 0.199, 0.249, 0.249}, pauses)
        assert.equal(0, retry.pause(0.0001, 1, random))
    end)

    it("goes back to tried nodes where they will do", function()
        local picker = {get = function(ctx) return ctx.balancer_tried_servers and "b" or "a" end}
        local around = retry.around(picker, function() end, true)
        local ctx = {balancer_tried_servers = {a = true}, balancer_tried_servers_count = 1}
        assert.equal("a", around.get(ctx))
        assert.equal(0, ctx.balancer_tried_servers_count)
    end)
end)
