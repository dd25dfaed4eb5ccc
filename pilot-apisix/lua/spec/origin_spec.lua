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

local origin = require("apisix.mesh.origin")

-- Lua's patterns do for what is tested here.
local function matches(subject, pattern)
    return subject:find(pattern) ~= nil
end

local function allowed(list, from)
    return origin.allowed(origin.plan(list, matches), from, matches)
end

describe("origin", function()
    it("is matched exactly, by prefix and by regex", function()
        local list = {{exact = "https://a"}, {prefix = "https://b."}, {regex = "^https://[cd]$"}}
        for _, from in ipairs({"https://a", "https://b.test", "https://c", "https://d"}) do
            assert.is_true(allowed(list, from), from)
        end
        for _, from in ipairs({"https://a:80", "HTTPS://A", "http://b.test", "https://cc", "null", ""}) do
            assert.is_false(allowed(list, from), from)
        end
    end)

    it("is anything where an origin * would be allowed", function()
        assert.is_true(allowed({{exact = "*"}}, "https://x"))
        assert.is_true(allowed({{exact = "a"}, {prefix = "*"}}, "https://x"))
        assert.is_true(allowed({{regex = "^.*$"}}, "https://x"))
        assert.is_true(allowed({{prefix = ""}}, "https://x"))
    end)

    it("is nothing without matchers", function()
        assert.is_false(allowed({}, "https://a"))
        assert.is_false(allowed(nil, "https://a"))
    end)
end)
