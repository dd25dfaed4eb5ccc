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

local cluster = require("apisix.mesh.lb.cluster")
local limits = require("apisix.mesh.lb.limits")
local ring = require("apisix.mesh.lb.ring")
local store = require("apisix.mesh.lb.store")
local tries = require("apisix.mesh.lb.tries")
local warmup = require("apisix.mesh.lb.warmup")

-- digest is no good one, but spreads well enough.
local function digest(text)
    local out, x = {}, 7
    for i = 1, 16 do
        for j = 1, #text do
            x = (x * 31 + text:byte(j) * (i + 13)) % 2147483647
        end
        x = (x * 16807) % 2147483647
        out[i] = string.char(math.floor(x / 1024) % 256)
    end
    return table.concat(out)
end

local function env()
    local e = {store = store.new(), random = math.random, digest = digest, time = 100}
    e.now = function() return e.time end
    return e
end

local function node(n, weight, metadata)
    return {host = "10.0.0." .. n, port = 80, weight = weight or 1, metadata = metadata}
end

local function new(nodes, conf, e)
    e = e or env()
    local hosts = cluster.hosts(nodes, {})
    if conf.warmup then
        warmup.note(e.store, "up", hosts, {}, e.time)
    end
    return cluster.new("up", hosts, conf, e), hosts
end

-- shares counts by the last number of the address.
local function shares(c, n, tried, active)
    local count = {}
    for _ = 1, n do
        local host = c:choose(c.env.now(), nil, tried)
        local name = host and tonumber(host.addr:match("(%d+):80$")) or "none"
        count[name] = (count[name] or 0) + 1
        if active then
            host.load.active = host.load.active + 1
        end
    end
    return count
end

local function about(want, got, slack)
    assert.is_true(math.abs(want - (got or 0)) <= slack, tostring(got) .. " is not about " .. want)
end

describe("cluster", function()
    it("leaves out nodes of no weight, and repetitions", function()
        local hosts = cluster.hosts({node(1, 5), node(1, 0), node(1, 2), node(2, 0)}, {})
        assert.equal(1, #hosts)
        assert.equal(5, hosts[1].weight)
    end)

    it("prefers other priorities, where it is asked to", function()
        local c = new({node(1), node(2, 1, {priority = 1}), node(3, 1, {priority = 2})}, {policy = "random"})
        local function to(tried)
            return c:choose(100, nil, nil, tried).priority
        end
        assert.equal(0, to(nil))
        assert.equal(1, to({[0] = true}))
        assert.equal(2, to({[1] = true, [0] = true}))
        assert.equal(0, to({[1] = true}))
        assert.equal(2, to({[0] = true, [1] = true}))
        -- Where all were tried it begins anew.
        assert.equal(0, to({[0] = true, [1] = true, [2] = true}))
    end)

    it("picks at random, whatever the weights", function()
        local count = shares(new({node(1, 9), node(2, 1)}, {policy = "random"}), 4000)
        about(2000, count[1], 200)
    end)

    it("goes round, by weight", function()
        assert.same({10, 10}, shares(new({node(1), node(2)}, {policy = "round_robin"}), 20))
        assert.same({30, 10}, shares(new({node(1, 3), node(2, 1)}, {policy = "round_robin"}), 40))
    end)

    it("prefers who has fewer requests", function()
        local c, hosts = new({node(1), node(2)}, {policy = "least_request"})
        hosts[1].load.active = 5
        -- of two picks by chance, three times in four the better one is among them
        about(3000, shares(c, 4000)[2], 200)
        -- with weights it is these by the active requests: as none of them ends, the shares are as the weights' square roots
        c = new({node(1, 3), node(2, 1)}, {policy = "least_request"})
        about(254, shares(c, 400, nil, true)[1], 5)
    end)

    it("keeps a key on its host", function()
        local e = env()
        local conf = {policy = "consistent_hash", outlier_detection = {
            consecutive_5xx_errors = 1, interval = 10, base_ejection_time = 30, max_ejection_percent = 100,
        }}
        local c, hosts = new({node(1), node(2), node(3)}, conf, e)
        local before, count = {}, {}
        for key = 1, 300 do
            local host = c:choose(100, ring.hash("key" .. key, digest))
            before[key] = host
            count[host.addr] = (count[host.addr] or 0) + 1
        end
        for _, h in ipairs(hosts) do
            assert.is_true((count[h.addr] or 0) > 30, h.addr .. " got " .. tostring(count[h.addr]))
        end
        c.detector:response(hosts[2], 500, 100)
        for key = 1, 300 do
            local host = c:choose(100, ring.hash("key" .. key, digest))
            assert.is_true(host ~= hosts[2])
            if before[key] ~= hosts[2] then
                assert.equal(before[key], host)
            end
            -- a further try goes elsewhere, if it can
            local other = c:choose(100, ring.hash("key" .. key, digest), {[host.addr] = true})
            assert.is_true(other ~= host and other ~= hosts[2])
        end
        local place = ring.hash("x", digest)
        assert.is_not_nil(c:choose(100, place, {[hosts[1].addr] = true, [hosts[3].addr] = true}))
    end)

    it("makes a ring as big as it is asked to", function()
        local hosts = {{addr = "a", weight = 1}, {addr = "b", weight = 3}}
        local weight = function(h) return h.weight end
        assert.is_true(math.abs(#ring.new(hosts, weight, digest).points - 1024) < 3)
        assert.is_true(math.abs(#ring.new(hosts, weight, digest, 4001).points - 4004) < 10)
        assert.equal(4, #ring.new(hosts, weight, digest, 1).points)
        assert.equal(0, #ring.new({}, weight, digest).points)
    end)

    it("fails over to the next level", function()
        local conf = {policy = "round_robin", outlier_detection = {
            consecutive_5xx_errors = 1, interval = 10, base_ejection_time = 30, max_ejection_percent = 100,
        }}
        local c, hosts = new({node(1), node(2), node(3, 1, {priority = 1})}, conf)
        assert.same({50, 50}, shares(c, 100))
        c.detector:response(hosts[1], 500, 100)
        local count = shares(c, 1000)
        assert.is_nil(count[1])
        about(700, count[2], 60)
        about(300, count[3], 60)
        c.detector:response(hosts[2], 500, 100)
        assert.same({[3] = 10}, shares(c, 10))
        c.detector:response(hosts[3], 500, 100)
        assert.same({none = 10}, shares(c, 10))
        c.env.time = 140
        assert.same({5, 5}, shares(c, 10))
    end)

    it("panics where it may", function()
        local conf = {policy = "round_robin", min_health_percent = 50, outlier_detection = {
            consecutive_5xx_errors = 1, interval = 10, base_ejection_time = 30, max_ejection_percent = 100,
        }}
        local c, hosts = new({node(1), node(2), node(3)}, conf)
        c.detector:response(hosts[1], 500, 100)
        assert.same({[2] = 5, [3] = 5}, shares(c, 10))
        c.detector:response(hosts[2], 500, 100)
        assert.same({4, 4, 4}, shares(c, 12))
    end)

    it("shares by locality", function()
        local a, b = {locality = "a", locality_weight = 80}, {locality = "b", locality_weight = 20}
        local c = new({node(1, 1, a), node(2, 1, b), node(3, 1, b)}, {policy = "round_robin", locality_weighted = true})
        assert.same({80, 10, 10}, shares(c, 100))
        -- on a ring, too
        c = new({node(1, 1, a), node(2, 1, b), node(3, 1, b)}, {policy = "consistent_hash", locality_weighted = true})
        local count = 0
        for key = 1, 1000 do
            if c:choose(100, ring.hash("key" .. key, digest)).addr == "10.0.0.1:80" then
                count = count + 1
            end
        end
        about(800, count, 80)
    end)

    it("warms up", function()
        assert.equal(1, warmup.factor({duration = 60, aggression = 1, minimum_percent = 10}, 60))
        assert.equal(0.5, warmup.factor({duration = 60, aggression = 1, minimum_percent = 10}, 30))
        assert.equal(0.1, warmup.factor({duration = 60, aggression = 1, minimum_percent = 10}, 1))
        assert.equal(0.25 ^ 0.5, warmup.factor({duration = 60, aggression = 2, minimum_percent = 10}, 15))
        local e = env()
        local conf = {policy = "round_robin", warmup = {duration = 60, aggression = 1, minimum_percent = 10}}
        assert.same({50, 50}, shares(new({node(1), node(2)}, conf, e), 100))
        e.time = 200
        local c = new({node(1), node(2), node(3)}, conf, e)
        about(10, shares(c, 210)[3], 1)
        e.time = 230
        about(50, shares(c, 250)[3], 5)
        e.time = 260
        about(100, shares(c, 300)[3], 5)
        -- who was away is new again
        warmup.note(e.store, "up", {}, {"10.0.0.3:80"}, 300)
        e.time = 300
        c = new({node(1), node(2), node(3)}, conf, e)
        about(10, shares(c, 210)[3], 1)
    end)

    it("tries another host", function()
        local c = new({node(1), node(2), node(3)}, {policy = "round_robin"})
        assert.same({[3] = 10}, shares(c, 10, {["10.0.0.1:80"] = true, ["10.0.0.2:80"] = true}))
        -- where there is no other, one that was tried will do
        assert.same({10}, shares(new({node(1)}, {policy = "round_robin"}), 10, {["10.0.0.1:80"] = true}))
    end)

    it("has nobody to choose", function()
        for _, policy in ipairs({"random", "round_robin", "least_request"}) do
            assert.is_nil(new({}, {policy = policy}):choose(100))
        end
        assert.is_nil(new({}, {policy = "consistent_hash"}):choose(100, 1))
    end)
end)

describe("limits", function()
    it("count all workers", function()
        local shared = store.new()
        local a, b = limits.new(shared, "up", 0, 2), limits.new(shared, "up", 1, 2)
        local conf = {http2_max_requests = 2, max_retries = 1}
        local sleep = function() error("nobody waits") end
        assert.is_true(a:admit(conf, sleep))
        assert.is_true(b:admit(conf, sleep))
        assert.is_false(a:admit(conf, sleep))
        a:add("active", -1)
        assert.is_true(b:admit(conf, sleep))
        assert.is_true(a:again(conf))
        assert.is_false(b:again(conf))
        assert.is_true(b:again(conf, {percent = 50, min_retry_concurrency = 2}))
        assert.is_false(b:again(conf, {percent = 50, min_retry_concurrency = 2}))
        assert.is_true(b:again(conf, {percent = 150, min_retry_concurrency = 2}))
        -- a worker that is started anew has none
        limits.new(shared, "up", 1, 2)
        assert.is_true(a:admit(conf, sleep))
    end)

    it("make requests wait for a connection", function()
        local l = limits.new(store.new(), "up", 0, 1)
        local conf = {max_connections = 1, http1_max_pending_requests = 1}
        local slept = 0
        local function sleep()
            slept = slept + 1
            assert.equal(1, l:total("pending"))
            assert.is_false(l:admit(conf, sleep))
            if slept == 3 then
                l:add("active", -1)
            end
        end
        assert.is_true(l:admit(conf, sleep))
        assert.is_true(l:admit(conf, sleep))
        assert.equal(3, slept)
        assert.equal(0, l:total("pending"))
        -- what is no HTTP does not wait
        assert.is_false(l:admit(conf))
    end)
end)

describe("tries", function()
    it("are told apart", function()
        assert.equal(502, tries.nth("502, 200", 1))
        assert.equal(200, tries.nth("502, 200", 2))
        assert.equal(200, tries.nth("502, 503 : 200", 3))
        assert.is_nil(tries.nth("502, 200", 3))
        assert.is_nil(tries.nth("-, 0.001", 1))
        assert.equal(0.001, tries.nth("-, 0.001", 2))
        assert.equal(200, tries.nth("200", 1))
        assert.is_nil(tries.nth("", 1))
        assert.is_nil(tries.nth(nil, 1))
    end)

    it("stays with hosts of one kind", function()
        local plain = {plain_text = true}
        for _, conf in ipairs({{policy = "round_robin"}, {policy = "random"}, {policy = "consistent_hash"}}) do
            local c = new({node(1), node(2, 1, plain), node(3), node(4, 1, plain)}, conf)
            assert.is_true(c.mixed)
            local function all(kind, tried)
                local seen = {}
                for i = 1, 200 do
                    seen[c:choose_like(kind, c.env.now(), i * 20000000, tried).addr] = true
                end
                return seen
            end
            assert.same({["10.0.0.2:80"] = true, ["10.0.0.4:80"] = true}, all(true))
            assert.same({["10.0.0.3:80"] = true}, all(false, {["10.0.0.1:80"] = true}))
            -- There is no other of its kind left.
            local again = all(false, {["10.0.0.1:80"] = true, ["10.0.0.3:80"] = true})
            assert.is_nil(again["10.0.0.2:80"] or again["10.0.0.4:80"])
        end
        assert.is_false(new({node(1)}, {policy = "random"}).mixed)
        local c = new({node(1), node(2, 1, {plain_text = true, unhealthy = true})}, {policy = "random"})
        assert.is_nil(c:choose_like(true, c.env.now()))
    end)
end)

describe("the last try", function()
    it("is the last that has ended", function()
        assert.equal(200, tries.last("200"))
        assert.equal(504, tries.last("502, 503 : 504"))
        assert.equal(503, tries.last("502, 503 : "))
        assert.is_nil(tries.last("0.1, -"))
        assert.is_nil(tries.last("0.1, - : "))
        assert.is_nil(tries.last(""))
        assert.is_nil(tries.last(nil))
    end)
end)
