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

local chance = require("apisix.mesh.chance")

describe("chance", function()
    it("counts in millionths", function()
        assert.equal(1000000, chance.threshold(100))
        assert.equal(0, chance.threshold(0))
        assert.equal(1, chance.threshold(0.0001))
        assert.equal(125000, chance.threshold(12.5))
        assert.equal(333333, chance.threshold(33.3333))
        assert.equal(1000, chance.threshold(0.1))
    end)

    it("hits below the threshold only", function()
        local drawn
        local function random(low, high)
            assert.equal(0, low)
            assert.equal(999999, high)
            return drawn
        end
        drawn = 0
        assert.is_true(chance.hit(1, random))
        drawn = 1
        assert.is_false(chance.hit(1, random))
        drawn = 999998
        assert.is_true(chance.hit(999999, random))
    end)

    it("needs no dice for none and all", function()
        assert.is_false(chance.hit(0, error))
        assert.is_true(chance.hit(1000000, error))
    end)

    it("picks by weight", function()
        local counts = {0, 0, 0}
        for drawn = 1, 10 do
            local i = chance.weighted({3, 0, 7}, 10, function() return drawn end)
            counts[i] = counts[i] + 1
        end
        assert.same({3, 0, 7}, counts)
        assert.is_nil(chance.weighted({0, 0}, 0, error))
        assert.is_nil(chance.weighted({}, 0, error))
    end)
end)
