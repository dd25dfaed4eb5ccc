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

local rbac = require("apisix.mesh.rbac")
local rbac_source = require("apisix.mesh.rbac_source")

-- Attributes are fields of the context, which counts how often it is asked for each.
local sources = {}
for _, attribute in ipairs({
    "source.principal", "source.ip", "remote.ip", "destination.ip", "destination.port", "connection.sni", "request.headers", "request.auth.claims",
    "request.auth.principal", "host", "method", "path",
}) do
    sources[attribute] = function(ctx, header)
        ctx.asked = ctx.asked or {}
        ctx.asked[attribute] = (ctx.asked[attribute] or 0) + 1
        return ctx[header and attribute .. "." .. header or attribute]
    end
end

local function cidrs(list)
    return {match = function(_, address)
        for _, v in ipairs(list) do
            if v == address then
                return v
            end
        end
        return false
    end}
end

local function plan(conf)
    return rbac.plan(conf, sources, cidrs)
end

local function decide(conf, ctx)
    return rbac.request(rbac.connection(plan(conf), ctx), ctx)
end

-- takes says whether the condition alone is one that takes the context.
local function takes(condition, ctx)
    return decide({allow = {{from = {{condition}}}}}, ctx)
end

describe("rbac", function()
    it("lets everybody in without rules, and nobody with an empty list of those that allow", function()
        assert.is_true(decide({}, {}))
        assert.is_true(decide({deny = {}}, {}))
        assert.is_false(decide({allow = {}}, {}))
        assert.is_true(decide({allow = {{}}}, {}))
        assert.is_false(decide({deny = {{}}, allow = {{}}}, {}))
    end)

    it("denies before it allows, and names the rule", function()
        local conf = {
            deny = {{name = "no", to = {{{attribute = "path", exact = {"/a"}}}}}},
            allow = {{name = "yes", to = {{{attribute = "method", exact = {"GET"}}}}}},
        }
        assert.same({false, "no"}, {decide(conf, {path = "/a", method = "GET"})})
        assert.is_true(decide(conf, {path = "/b", method = "GET"}))
        assert.same({false}, {decide(conf, {path = "/b", method = "PUT"})})
    end)

    it("takes one of the alternatives of both sides", function()
        local conf = {allow = {{
            from = {{{attribute = "source.principal", exact = {"a"}}}, {{attribute = "source.ip", cidr = {"1.1.1.1"}}, {attribute = "host", exact = {"h"}}}},
            to = {{{attribute = "path", prefix = {"/x"}}}, {{attribute = "destination.port", port = {80, 81}}}},
        }}}
        assert.is_true(decide(conf, {["source.principal"] = "a", path = "/xy"}))
        assert.is_true(decide(conf, {["source.ip"] = "1.1.1.1", host = "h", ["destination.port"] = 81}))
        assert.is_false(decide(conf, {["source.ip"] = "1.1.1.1", host = "i", ["destination.port"] = 81}))
        assert.is_false(decide(conf, {["source.principal"] = "a", path = "/y", ["destination.port"] = 82}))
    end)

    it("compares strings", function()
        for _, tt in ipairs({
            {{exact = {"abc"}}, "abc", "ab"},
            {{prefix = {"ab", "x"}}, "abc", "a"},
            {{suffix = {"bc", "defg"}}, "abc", "c"},
            {{present = true}, "a", ""},
            {{glob = {{parts = {"", "/ns/a/", ""}, gaps = {0, 0}}}}, "spiffe://t/ns/a/sa/b", "spiffe://t/ns/aa/sa/b"},
            {{glob = {{parts = {"s://", "/sa/b"}, gaps = {1}}}}, "s://x/sa/b", "s:///sa/b"},
            {{glob = {{parts = {"s://", "/sa/b/", ""}, gaps = {1, 1}}}}, "s://x/sa/b/c", "s://x/sa/b/"},
            {{glob = {{parts = {"ab", "bc"}, gaps = {0}}}}, "abbc", "abc"},
            {{glob = {{parts = {"a"}, gaps = {}}}}, "a", "ab"},
            {{domain_prefix = {"td"}}, "spiffe://td1/ns/a", "spiffe://t/td/a"},
            {{domain_suffix = {".local"}}, "spiffe://a.local/ns/a", "spiffe://a.locals/.local/a"},
            {{domain_suffix = {"l"}}, "spiffe://l/", "spiffe://l"},
        }) do
            tt[1].attribute = "source.principal"
            assert.is_true(takes(tt[1], {["source.principal"] = tt[2]}), tt[2])
            assert.is_false(takes(tt[1], {["source.principal"] = tt[3]}), tt[3])
            assert.is_false(takes(tt[1], {}))
            tt[1]["not"] = true
            assert.is_false(takes(tt[1], {["source.principal"] = tt[2]}), tt[2])
            assert.is_true(takes(tt[1], {}))
        end
        assert.is_true(takes({attribute = "request.headers", header = "x", present = true}, {["request.headers.x"] = ""}))
    end)

    it("compares paths with templates", function()
        for _, tt in ipairs({
            {"/a/{*}", {"/a/b", "/a/%2F"}, {"/a", "/a/", "/a/b/", "/a/b/c", "/a/b*", "/b/b", "a/b", "/a/\195\164"}},
            {"/a/{*}/", {"/a/b/"}, {"/a/b", "/a//", "/a/b/c"}},
            {"/{*}/c/{*}", {"/a/c/d"}, {"/a/b/d", "/c/d"}},
            {"/a/{**}", {"/a/", "/a/b", "/a/b/c/"}, {"/a", "/ab", "/a/b|c"}},
            {"/{**}/z", {"/a/z", "//z", "/a/b/z"}, {"/z", "/a/zz", "/a/z/"}},
            {"/a/{*}/b/{**}/z", {"/a/1/b/2/z", "/a/1/b/2/3/z"}, {"/a/1/b/z", "/a/1/c/2/z"}},
            {"/{**}", {"/", "/a"}, {""}},
        }) do
            local c = {attribute = "path", template = {tt[1]}}
            for _, path in ipairs(tt[2]) do
                assert.is_true(takes(c, {path = path}), tt[1] .. " " .. path)
            end
            for _, path in ipairs(tt[3]) do
                assert.is_false(takes(c, {path = path}), tt[1] .. " " .. path)
            end
        end
    end)

    it("looks into tokens, which there may be none of", function()
        local token = {iss = "https://i", sub = "me", aud = {"x", "y"}, a = {b = "c"}, n = 1}
        local function claim(path, value)
            return takes({attribute = "request.auth.claims", claim = path, exact = {value}}, {["request.auth.claims"] = token})
        end
        assert.is_true(claim({"aud"}, "y"))
        assert.is_true(claim({"a", "b"}, "c"))
        assert.is_false(claim({"a"}, "c"))
        assert.is_false(claim({"a", "b", "c"}, "c"))
        assert.is_false(claim({"n"}, "1"))
        local c = {attribute = "request.auth.principal", token = {{issuer = {exact = {"https://i"}}, subject = {present = true}}}}
        assert.is_true(takes(c, {["request.auth.principal"] = token}))
        assert.is_false(takes(c, {["request.auth.principal"] = {iss = "https://i"}}))
        assert.is_false(takes(c, {}))
        c["not"] = true
        assert.is_true(takes(c, {}))
    end)

    it("decides of a connection once what it can", function()
        local p = plan({
            deny = {{from = {{{attribute = "source.principal", exact = {"bad"}}}}}},
            allow = {
                {from = {{{attribute = "source.principal", exact = {"a"}}}}, to = {{{attribute = "path", exact = {"/x"}}}}},
                {from = {{{attribute = "source.principal", exact = {"b"}}}}},
            },
        })
        local ctx = {["source.principal"] = "a", path = "/x"}
        local found = rbac.connection(p, ctx)
        ctx.asked = {}
        assert.is_true(rbac.request(found, ctx))
        assert.is_false(rbac.request(found, {path = "/y"}))
        assert.same({path = 1}, ctx.asked)
        -- Nothing is left to look at.
        ctx = {["source.principal"] = "b"}
        found = rbac.connection(p, ctx)
        ctx.asked = {}
        assert.is_true(rbac.request(found, ctx))
        assert.same({}, ctx.asked)
        for _, nobody in ipairs({"bad", "c"}) do
            assert.is_false(rbac.request(rbac.connection(p, {["source.principal"] = nobody}), {path = "/x"}))
        end
    end)

    it("does not take an attribute that it does not know", function()
        assert.has_error(function()
            plan({deny = {{to = {{{attribute = "no.such", exact = {"a"}}}}}}})
        end)
    end)
end)

describe("rbac_source", function()
    it("tells addresses", function()
        assert.equal("1.2.3.4", rbac_source.address("::ffff:1.2.3.4"))
        assert.equal("::1", rbac_source.address("[::1]"))
        assert.has_error(function()
            rbac_source.address(nil)
        end)
    end)

    it("joins the values of a header as Envoy does", function()
        assert.is_nil(rbac_source.header(nil))
        assert.equal("", rbac_source.header(""))
        assert.equal("a,b c,", rbac_source.header({" a", "b c\t", ""}))
    end)

    it("takes the last address of X-Forwarded-For, or nobody's word", function()
        assert.is_nil(rbac_source.forwarded(nil))
        assert.equal("::1", rbac_source.forwarded("1.2.3.4, ::1 "))
        assert.equal("1.2.3.4", rbac_source.forwarded({"::1", "1.2.3.4"}))
        for _, bad in ipairs({"unknown", "1.2.3.4:80", "1.2.3.4,", "[::1]"}) do
            assert.has_error(function()
                rbac_source.forwarded(bad)
            end)
        end
    end)

    it("tells who somebody is only by a name that one can have", function()
        assert.equal("spiffe://a/b", rbac_source.principal({mesh_peer_id = "spiffe://a/b"}))
        assert.is_nil(rbac_source.principal({}))
        assert.has_error(function()
            rbac_source.principal({mesh_peer_id = "spiffe://a\n/b"})
        end)
        assert.is_nil(rbac_source.server_name(""))
        assert.equal("a.b", rbac_source.server_name("A.b"))
        assert.has_error(function()
            rbac_source.server_name("web.default._sa.cluster.local")
        end)
    end)
end)
