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

local normalise = require("apisix.mesh.normalise").normalise

describe("normalise", function()
    it("leaves a usual path as it is", function()
        for _, target in ipairs({"/", "/a/b", "/a/b/?c=../d", "/a%2Fb", "/a//b", "/a%zz", "/a;b=c"}) do
            local path, query, changed = normalise(target, "BASE")
            assert.equal(target, path .. query)
            assert.is_false(changed)
        end
    end)

    it("makes a path that is not usual the one that Envoy does", function()
        for _, tt in ipairs({
            {"/a/../b", "/b"}, {"/a/./b", "/a/b"}, {"/a/..", "/"}, {"/a/b/..", "/a/"}, {"/../../a", "/a"}, {"/.", "/"}, {"/a/.", "/a/"},
            {"/a/%2e%2E/b", "/b"}, {"/a/.%2e/b", "/b"}, {"/..a", "/..a"}, {"/a/.../b", "/a/.../b"}, {"/a..", "/a.."}, {"/a%2e", "/a."},
            {"/a\\b", "/a/b"}, {"/a\\..\\b", "/b"}, {"/%61dmin", "/admin"}, {"/%7Ea", "/~a"}, {"/a%2fb", "/a%2fb"}, {"/a\"b", "/a%22b"}, {"/\195\164", "/%C3%A4"},
            {"/a//../b", "/a/b"}, {"/a%", "/a%"}, {"/a%4", "/a%4"},
        }) do
            local path, query, changed = normalise(tt[1] .. "?q=/../%61", "BASE")
            assert.equal(tt[2], path, tt[1])
            assert.equal("?q=/../%61", query)
            assert.equal(tt[1] ~= tt[2], changed)
        end
    end)

    it("does more or less when it is told to", function()
        assert.equal("/a/../%61", (normalise("/a/../%61", "NONE")))
        assert.equal("/a/b/", (normalise("//a///b//", "MERGE_SLASHES")))
        assert.equal("/a%2F/b", (normalise("/a%2F/b", "MERGE_SLASHES")))
        assert.equal("/a/b/c", (normalise("/a%2F/b%5cc", "DECODE_AND_MERGE_SLASHES")))
        assert.equal("/b", (normalise("/a%2f..%2Fb", "DECODE_AND_MERGE_SLASHES")))
    end)

    it("takes no fragment, and nothing that is no path", function()
        assert.is_nil((normalise("/a#b", "BASE")))
        assert.is_nil((normalise("/a?b#c", "BASE")))
        assert.is_nil((normalise("*", "BASE")))
        assert.same({"/", "?a", false}, {normalise("?a", "BASE")})
    end)
end)
