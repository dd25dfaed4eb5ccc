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

local re2 = require("apisix.mesh.re2")

-- A pattern of Lua's stands for a PCRE; its captures are the groups.
local function matcher(pattern)
    return function(text, position)
        local found = {text:find(pattern, position)}
        if not found[1] then
            return nil
        end
        local groups = {[0] = text:sub(found[1], found[2])}
        for i = 3, #found do
            groups[i - 2] = found[i]
        end
        return groups, found[2] + 1
    end
end

describe("re2", function()
    it("parses substitutions", function()
        assert.same({}, re2.parse(""))
        assert.same({"a", 1, "b", 12, "$", "c", 0}, re2.parse("a$1b${12}$$c${0}"))
        assert.is_nil((re2.parse("$")))
        assert.is_nil((re2.parse("a$b")))
        assert.is_nil((re2.parse("${x}")))
    end)

    it("replaces as RE2 does", function()
        for _, t in ipairs({
            {"abc", ".*", "y", "y"},
            {"/aab", "a*", "-", "-/-b-"},
            {"", "x*", "-", "-"},
            {"/foo/oo", "o", "0", "/f00/00"},
            {"/a/b", "/(%w)", "/${1}$1", "/aa/bb"},
            {"/a", "z", "y", "/a"},
            {"/a/b", "/a", "", "/b"},
            {"aaa", "a", "$$", "$$$"},
        }) do
            assert.equal(t[4], re2.replace(t[1], matcher(t[2]), re2.parse(t[3])))
        end
    end)
end)
