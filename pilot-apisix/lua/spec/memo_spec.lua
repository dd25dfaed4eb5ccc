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

local memo = require("apisix.mesh.memo")

describe("memo", function()
    it("builds once per configuration and keeps none alive", function()
        local built = 0
        local plan_of = memo.new(function(conf)
            built = built + 1
            return {conf.x}
        end)
        local conf = {x = 1}
        assert.equal(plan_of(conf), plan_of(conf))
        assert.equal(1, built)
        plan_of({x = 1})
        assert.equal(2, built)

        local alive = setmetatable({{x = 2}}, {__mode = "v"})
        plan_of(alive[1])
        collectgarbage()
        collectgarbage()
        assert.is_nil(alive[1])
    end)
end)
