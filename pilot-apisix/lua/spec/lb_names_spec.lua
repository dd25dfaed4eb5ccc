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

local names = require("apisix.mesh.lb.names")

describe("names", function()
    local answers, asked, timers, kept

    local function new()
        answers, asked, timers = {}, 0, {}
        kept = names.new({
            query = function(name)
                asked = asked + 1
                return answers[name], "no such name"
            end,
            after = function(seconds, f, ...)
                timers[#timers + 1] = {seconds = seconds, f = f, args = {...}}
                return true
            end,
            warn = function() end,
        })
        return kept
    end

    local function tick()
        local t = table.remove(timers)
        t.f(unpack(t.args))
        return t.seconds
    end

    it("have all addresses, each once and in order", function()
        local k = new()
        answers["a.test"] = {{address = "10.0.0.2", ttl = 30}, {address = "10.0.0.1", ttl = 20}, {address = "10.0.0.2", ttl = 30}, {cname = "x"}}
        local name = k:get("a.test", true)
        assert.same({"10.0.0.1", "10.0.0.2"}, name.all)
        assert.equal("10.0.0.2", name.first)
        assert.equal(1, asked)
        assert.equal(name, k:get("a.test", true))
        assert.equal(1, asked)
        assert.equal(1, #timers)
    end)

    it("are looked up again when their time is over", function()
        local k = new()
        answers["a.test"] = {{address = "10.0.0.1", ttl = 20}}
        local name = k:get("a.test", true)
        local version = name.version
        tick()
        assert.equal(20, timers[1].seconds)
        assert.equal(version, name.version)
        answers["a.test"] = {{address = "10.0.0.3", ttl = 0}}
        tick()
        assert.same({"10.0.0.3"}, name.all)
        assert.not_equal(version, name.version)
        assert.equal(60, timers[1].seconds)
        answers["a.test"] = {{address = "10.0.0.3", ttl = 40}, expired = true}
        tick()
        assert.equal(1, timers[1].seconds)
    end)

    it("keep their addresses while nobody answers", function()
        local k = new()
        answers["a.test"] = {{address = "10.0.0.1", ttl = 20}}
        local name = k:get("a.test", true, 7)
        answers["a.test"] = nil
        tick()
        assert.same({"10.0.0.1"}, name.all)
        assert.equal(7, timers[1].seconds)
    end)

    it("are looked up beside the requests where those cannot wait", function()
        local k = new()
        answers["a.test"] = {{address = "10.0.0.1", ttl = 20}}
        local name = k:get("a.test", false)
        assert.is_nil(name.all)
        assert.equal(0, asked)
        assert.equal(0, timers[1].seconds)
        tick()
        assert.same({"10.0.0.1"}, name.all)
    end)

    it("are forgotten when nobody holds them", function()
        local k = new()
        answers["a.test"] = {{address = "10.0.0.1", ttl = 20}}
        k:get("a.test", true)
        collectgarbage()
        collectgarbage()
        tick()
        assert.equal(1, asked)
        assert.equal(0, #timers)
    end)
end)
