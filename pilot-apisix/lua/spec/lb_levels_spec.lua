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

local levels = require("apisix.mesh.lb.levels")

-- loads shares the load among levels that have so many healthy endpoints of so many.
local function loads(threshold, ...)
    local list, out = {}, {}
    for i, l in ipairs({...}) do
        list[i] = {healthy = l[1], total = l[2]}
    end
    levels.loads(list, threshold)
    for i, l in ipairs(list) do
        out[i] = l.panic and -l.load or l.load
    end
    return out
end

describe("levels", function()
    -- The examples of Envoy's documentation, "Priority levels" and "Panic threshold"; loads in a panic are negative here.
    it("share the load as Envoy's do", function()
        assert.same({100, 0}, loads(0, {100, 100}, {100, 100}))
        assert.same({100, 0}, loads(0, {72, 100}, {72, 100}))
        assert.same({99, 1}, loads(0, {71, 100}, {71, 100}))
        assert.same({70, 30}, loads(0, {50, 100}, {50, 100}))
        assert.same({35, 65}, loads(0, {25, 100}, {100, 100}))
        assert.same({0, 100}, loads(0, {0, 100}, {100, 100}))
        assert.same({50, 50}, loads(0, {25, 100}, {25, 100}))
        assert.same({70, 30, 0}, loads(0, {50, 100}, {50, 100}, {100, 100}))
    end)

    it("panic where too few are healthy in all of them", function()
        assert.same({100, 0}, loads(50, {72, 100}, {72, 100}))
        assert.same({-100}, loads(50, {1, 10}))
        assert.same({100}, loads(0, {1, 10}))
        assert.same({100}, loads(0, {0, 10}))
        assert.same({-50, -50}, loads(50, {0, 10}, {0, 10}))
        assert.same({-67, -33}, loads(50, {0, 20}, {0, 10}))
        -- the second level can take all of the load
        assert.same({0, 100}, loads(50, {0, 100}, {72, 100}))
        assert.same({7, 93}, loads(50, {5, 100}, {35, 50}))
        -- together they cannot, and the first one is too sick to be looked at
        assert.same({-8, 92}, loads(50, {5, 100}, {30, 50}))
    end)

    it("are chosen by their loads", function()
        local list = {{load = 70}, {load = 0}, {load = 30}}
        assert.equal(list[1], levels.choose(list, 1))
        assert.equal(list[1], levels.choose(list, 70))
        assert.equal(list[3], levels.choose(list, 71))
        assert.equal(list[3], levels.choose(list, 100))
    end)

    it("are made of hosts", function()
        local hosts = {
            {addr = "a", priority = 1, locality = "x", locality_weight = 1},
            {addr = "b", priority = 0, locality = "x", locality_weight = 1, ejected = true},
            {addr = "c", priority = 0, locality = "y", locality_weight = 1},
        }
        local list = levels.build(hosts, 0, false)
        assert.equal(2, #list)
        assert.same({hosts[3]}, list[1].hosts)
        assert.equal(70, list[1].load)
        assert.same({hosts[1]}, list[2].hosts)
        assert.equal(30, list[2].load)
    end)

    it("share by localities as long as those are healthy", function()
        local hosts = {
            {addr = "a", priority = 0, locality = "x", locality_weight = 80},
            {addr = "b", priority = 0, locality = "x", locality_weight = 80, ejected = true},
            {addr = "c", priority = 0, locality = "y", locality_weight = 20},
        }
        local list = levels.build(hosts, 0, true)[1].localities
        assert.equal(2, #list)
        assert.equal(80 * 0.7, list[1].weight)
        assert.same({hosts[1]}, list[1].hosts)
        assert.equal(20, list[2].weight)
        hosts[1].ejected = true
        list = levels.build(hosts, 0, true)[1].localities
        assert.equal(1, #list)
        assert.equal("y", list[1].name)
    end)
end)
