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

local redirect = require("apisix.mesh.redirect")

local function uri(conf, scheme, host, target, decoded)
    return redirect.new_uri(redirect.plan(conf), scheme, host, target, decoded or target:match("^[^?]*"))
end

describe("redirect", function()
    it("replaces what is configured", function()
        for _, c in ipairs({
            -- configuration, scheme, host, target, result
            {{}, "http", "a", "/p?q", "http://a/p?q"},
            {{scheme = "https"}, "http", "a", "/p", "https://a/p"},
            {{authority = "b"}, "http", "a:80", "/p?q", "http://b/p?q"},
            {{authority = "b:81"}, "http", "a", "/p", "http://b:81/p"},
            {{path = "/n"}, "http", "a", "/p?q=1", "http://a/n?q=1"},
            {{path = "/n?x=1"}, "http", "a", "/p?q=1", "http://a/n?x=1"},
            {{path = "n"}, "http", "a", "/p", "http://a/n"},
            {{port = 8443}, "http", "a", "/p", "http://a:8443/p"},
            {{port = 8443}, "http", "a:80", "/p", "http://a:8443/p"},
            {{port = 80}, "http", "a:8080", "/p", "http://a:80/p"},
            {{authority = "b", port = 1}, "http", "a", "/p", "http://b:1/p"},
            {{prefix_rewrite = {prefix = "/p", rewrite = "/n"}}, "http", "a", "/p/x?q", "http://a/n/x?q"},
            {{prefix_rewrite = {rewrite = "/n"}}, "http", "a", "/p/x?q", "http://a/n?q"},
            {{prefix_rewrite = {prefix = "/p", rewrite = ""}}, "http", "a", "/p/x", "http://a/p/x"},
        }) do
            assert.equal(c[5], uri(c[1], c[2], c[3], c[4]))
        end
    end)

    it("drops a port that no longer fits", function()
        for _, c in ipairs({
            {"a:80", "http", "https", "", "a"},
            {"a:443", "https", "http", "", "a"},
            {"a:8080", "http", "https", "", "a:8080"},
            {"a:443", "http", "https", "", "a:443"},
            {"a:80", "http", "http", "", "a:80"},
            {"a:80", "http", "http", ":81", "a"},
            {"[::1]:80", "http", "https", "", "[::1]"},
            {"[::1]", "http", "https", ":81", "[::1]"},
            {"[::1]:8080", "http", "https", "", "[::1]:8080"},
            {"", "http", "https", "", ""},
        }) do
            assert.equal(c[5], redirect.host_of(c[1], c[2], c[3], c[4]))
        end
    end)

    it("leads nowhere else through odd requests", function()
        -- without a host, a path is all there is
        assert.equal("/n", uri({path = "/n"}, "http", "", "/p"))
        -- dot segments are resolved before the prefix is replaced
        local to_n = {prefix_rewrite = {prefix = "/p", rewrite = "/n"}}
        assert.equal("http://a/n/y", uri(to_n, "http", "a", "/x/../p/y", "/p/y"))
        assert.equal("http://a/a%0D%0Ab", uri({}, "http", "a", "/x/../a%0d%0ab", "/a\r\nb"))
        assert.equal("http://a/q", uri(to_n, "http", "a", "/p/../q", "/q"))
    end)
end)
