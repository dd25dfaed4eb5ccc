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

local path = require("apisix.mesh.path")

describe("path", function()
    it("is cut at its query", function()
        for _, c in ipairs({
            {"/a?b=c", "/a", "?b=c"},
            {"/a?b?c", "/a", "?b?c"},
            {"/a?", "/a", "?"},
            {"/a", "/a", ""},
            {"/a?b#c", "/a", "?b"},
            {"/a#b?c", "/a", ""},
            {"", "", ""},
        }) do
            local p, q = path.split(c[1])
            assert.same({c[2], c[3]}, {p, q}, c[1])
        end
    end)

    it("stays as sent where it only had to be decoded", function()
        for _, c in ipairs({
            -- as sent, $uri, result
            {"/a/b?x", "/a/b", "/a/b"},
            {"/a%2Fb", "/a/b", "/a%2Fb"},
            {"/%61", "/a", "/%61"},
            {"/a%20b", "/a b", "/a%20b"},
            {"/a%3Fb", "/a?b", "/a%3Fb"},
            {"/\195\169", "/\195\169", "/%C3%A9"},
            -- what nginx has resolved
            {"/a/../b", "/b", "/b"},
            {"/a/%2e%2e/b", "/b", "/b"},
            {"//a///b", "/a/b", "/a/b"},
            {"/a/../b%20c", "/b c", "/b%20c"},
            {"/x/../a%0d%0ab", "/a\r\nb", "/a%0D%0Ab"},
            {"/x/../a%3fb%23%25", "/a?b#%", "/a%3Fb%23%25"},
            {"?x", "/", "/"},
        }) do
            assert.equal(c[3], (path.original(c[1], c[2])), c[1])
        end
    end)

    it("has its prefix replaced", function()
        for _, c in ipairs({
            -- as sent, $uri, prefix, rewrite, result
            {"/old/x?q=1", "/old/x", "/old", "/new", "/new/x"},
            {"/old", "/old", "/old", "/new", "/new"},
            {"/old/x", "/old/x", "/old/", "/", "/x"},
            {"/old/x", "/old/x", "/old", "/", "//x"},
            {"/OLD/x", "/OLD/x", "/old", "/new", "/new/x"},
            {"/old/%2F%20", "/old// ", "/old", "/new", "/new/%2F%20"},
            {"/%6fld/a%20b", "/old/a b", "/old", "/new", "/new/a%20b"},
            {"/old/../old/x", "/old/x", "/old", "/new", "/new/x"},
            {"/secret/../old/x", "/old/x", "/old", "/new", "/new/x"},
            {"/old/../secret", "/secret", "/old", "/new", nil},
            {"/a%20b/c", "/a b/c", "/a b", "/n", "/n/c"},
            {"/a%20b/c", "/a b/c", "/a%20b", "/n", "/n/c"},
            {"/anything", "/anything", nil, "/whole", "/whole"},
        }) do
            local new, query, old = path.rewritten(c[1], c[2], c[3], c[4])
            assert.equal(c[5], new, c[1])
            assert.equal(c[1]:match("%?.*$") or "", query)
            assert.is_string(old)
        end
    end)

    it("is safe in a request line", function()
        assert.equal("/a%0D%0AHost:%20x", path.safe("/a\r\nHost: x"))
        assert.equal("/a", path.safe("a"))
        assert.equal("/", path.safe(""))
        assert.equal("/a?b=c%23d", path.safe("/a?b=c#d"))
        assert.equal("/%00%7F%FF", path.safe("/\0\127\255"))
    end)
end)
