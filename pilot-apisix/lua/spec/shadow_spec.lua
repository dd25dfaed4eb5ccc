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

local shadow = require("apisix.mesh.shadow")

describe("shadow", function()
    it("has a host of its own", function()
        for host, expected in pairs({
            ["a"] = "a-shadow",
            ["a.test:80"] = "a.test-shadow:80",
            ["1.2.3.4:8080"] = "1.2.3.4-shadow:8080",
            ["[::1]:80"] = "[::1]-shadow:80",
            ["[::1]"] = "[::1]-shadow",
            ["::1"] = "::1-shadow",
            ["a:"] = "a:-shadow",
            [""] = "-shadow",
        }) do
            assert.equal(expected, shadow.host_of(host))
        end
    end)

    it("has the request's headers but those of its connection", function()
        assert.same({["Cookie"] = "a", ["x-list"] = {"1", "2"}}, shadow.headers_of({
            ["Host"] = "h", ["connection"] = "x", ["Content-Length"] = "3", ["transfer-encoding"] = "chunked",
            ["X-Forwarded-For"] = "1", ["Cookie"] = "a", ["x-list"] = {"1", "2"},
        }))
    end)

    it("goes to a node by weight, of the highest priority that has any", function()
        local nodes = {
            {host = "a", weight = 0, priority = 2},
            {host = "b", weight = 1, priority = 1},
            {host = "c", weight = 2, priority = 1},
            {host = "d", weight = 9},
        }
        local seen = {}
        for drawn = 1, 3 do
            seen[drawn] = shadow.pick(nodes, function(low, high)
                assert.same({1, 3}, {low, high})
                return drawn
            end).host
        end
        assert.same({"b", "c", "c"}, seen)
        assert.is_nil(shadow.pick({}, error))
        assert.is_nil(shadow.pick({{host = "a", weight = 0}}, error))
    end)
end)
