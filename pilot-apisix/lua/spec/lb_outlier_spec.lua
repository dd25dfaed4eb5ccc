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

local outlier = require("apisix.mesh.lb.outlier")
local store = require("apisix.mesh.lb.store")

local function conf(more)
    local c = {consecutive_5xx_errors = 3, interval = 10, base_ejection_time = 30, max_ejection_percent = 100}
    for k, v in pairs(more or {}) do
        c[k] = v
    end
    return c
end

local function hosts(n)
    local list = {}
    for i = 1, n do
        list[i] = {addr = "10.0.0." .. i .. ":80"}
    end
    return list
end

-- detector of some hosts, and how to see which of them are ejected.
local function detector(c, n, shared)
    local list = hosts(n)
    local d = outlier.new(shared or store.new(), "up", c, 100)
    d:read(list, 100)
    local function ejected(now)
        if d:changed(now) then
            d:read(list, now)
        end
        local names = ""
        for i, h in ipairs(list) do
            names = names .. (h.ejected and i or "")
        end
        return names
    end
    return d, list, ejected
end

describe("outlier", function()
    it("ejects after errors in a row", function()
        local d, list, ejected = detector(conf(), 2)
        for _, status in ipairs({500, 503, 200, 500, 500}) do
            d:response(list[1], status, 101)
        end
        assert.equal("", ejected(101))
        d:response(list[2], 500, 101)
        d:response(list[1], 599, 101)
        assert.equal("1", ejected(101))
        -- 30 seconds, and then at the end of an interval
        assert.equal("1", ejected(139.9))
        assert.equal("", ejected(140))
        -- what was counted before is forgotten
        d:response(list[1], 500, 141)
        d:response(list[1], 500, 141)
        assert.equal("", ejected(141))
    end)

    it("ejects for longer each time, and for less after some quiet", function()
        local d, list, ejected = detector(conf({consecutive_5xx_errors = 1}), 1)
        d:response(list[1], 500, 105) -- for 30 seconds
        assert.equal("1", ejected(139))
        assert.equal("", ejected(140))
        d:response(list[1], 500, 141) -- the interval in which it came back took one off again
        assert.equal("1", ejected(179))
        assert.equal("", ejected(180))
        local now = 180
        -- ejected as soon as it is back, it adds up no further than what an interval takes off
        d:response(list[1], 500, now)
        assert.equal("1", ejected(209))
        assert.equal("", ejected(210))
    end)

    it("lengthens where the interval is longer than the peace", function()
        local d, list, ejected = detector(conf({consecutive_5xx_errors = 1, interval = 1000, base_ejection_time = 1000}), 1)
        d:response(list[1], 500, 100)
        assert.equal("1", ejected(1099))
        assert.equal("", ejected(1100))
    end)

    it("keeps below the maximum", function()
        local d, list, ejected = detector(conf({consecutive_5xx_errors = 1, max_ejection_percent = 50}), 3)
        d:response(list[1], 500, 100)
        assert.equal("1", ejected(100))
        d:response(list[2], 500, 100)
        assert.equal("1", ejected(100))
        -- as on Envoy a small upstream ejects nobody at Istio's default of 10 percent
        d, list, ejected = detector(conf({consecutive_5xx_errors = 1, max_ejection_percent = 10}), 9)
        d:response(list[1], 500, 100)
        assert.equal("", ejected(100))
        d, list, ejected = detector(conf({consecutive_5xx_errors = 1, max_ejection_percent = 10}), 10)
        d:response(list[1], 500, 100)
        assert.equal("1", ejected(100))
    end)

    it("counts gateway errors apart", function()
        local d, list, ejected = detector(conf({consecutive_5xx_errors = 9, consecutive_gateway_errors = 2}), 1)
        d:response(list[1], 502, 100)
        d:response(list[1], 500, 100)
        d:response(list[1], 504, 100)
        assert.equal("", ejected(100))
        d:failed(list[1], false, 100)
        assert.equal("1", ejected(100))
    end)

    it("counts failures of the proxy's own apart if it is asked to", function()
        local c = {consecutive_5xx_errors = 1, consecutive_local_origin_failures = 2, split_external_local_origin_errors = true}
        local d, list, ejected = detector(conf(c), 1)
        d:failed(list[1], false, 100)
        d:connected(list[1])
        d:failed(list[1], true, 100)
        assert.equal("", ejected(100))
        d:failed(list[1], true, 100)
        assert.equal("1", ejected(100))
        d, list, ejected = detector(conf(c), 1)
        d:response(list[1], 503, 100)
        assert.equal("1", ejected(100))
    end)

    it("takes a connection of TCP for a success", function()
        local d, list, ejected = detector(conf(), 1)
        for _ = 1, 5 do
            d:failed(list[1], false, 100)
            d:failed(list[1], false, 100)
            d:connected(list[1], true)
        end
        assert.equal("", ejected(100))
    end)

    it("does without a threshold", function()
        local c = conf()
        c.consecutive_5xx_errors = nil
        local d, list, ejected = detector(c, 1)
        for _ = 1, 20 do
            d:response(list[1], 500, 100)
        end
        assert.equal("", ejected(100))
    end)

    it("is shared by the workers", function()
        local shared = store.new()
        local d, list = detector(conf(), 2, shared)
        local slow, same, other = detector(conf(), 2, shared)
        for _ = 1, 3 do
            d:response(list[2], 500, 100)
        end
        -- this one has not heard of it yet, and changes nothing
        for _ = 1, 3 do
            slow:response(same[2], 500, 105)
        end
        assert.equal("2", other(129.9))
        assert.equal("", other(130))
    end)
end)
