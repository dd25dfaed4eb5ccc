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

local edf = require("apisix.mesh.lb.edf")

local function turns(scheduler, n)
    local count = {}
    for _ = 1, n do
        local name = scheduler:pick().name
        count[name] = (count[name] or 0) + 1
    end
    return count
end

local function weight(item)
    return item.weight
end

describe("edf", function()
    it("gives turns by weight", function()
        local s = edf.new({{name = "a", weight = 1}, {name = "b", weight = 3}, {name = "c", weight = 6}}, weight)
        assert.same({a = 10, b = 30, c = 60}, turns(s, 100))
        assert.same({a = 1, b = 3, c = 6}, turns(s, 10))
    end)

    it("goes round where weights are equal", function()
        local s = edf.new({{name = "a", weight = 2}, {name = "b", weight = 2}, {name = "c", weight = 2}}, weight)
        local order = {}
        for i = 1, 6 do
            order[i] = s:pick().name
        end
        assert.same({"a", "b", "c", "a", "b", "c"}, order)
    end)

    it("asks for the weight at each turn", function()
        local a, b = {name = "a", weight = 1}, {name = "b", weight = 1}
        local s = edf.new({a, b}, weight)
        assert.same({a = 10, b = 10}, turns(s, 20))
        a.weight = 9
        local count = turns(s, 100)
        assert.is_true(count.a >= 88 and count.a <= 91, count.a)
    end)

    it("skips turns", function()
        local s = edf.new({{name = "a", weight = 1}, {name = "b", weight = 1}}, weight):skip(1)
        assert.equal("b", s:pick().name)
    end)

    it("has none of none", function()
        assert.is_nil(edf.new({}, weight):pick())
    end)
end)
