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

describe("upstream_tls", function()
    local upstream_tls, before, ngx_before, followed
    local known = {authorities = function(tls)
        if tls.ca_certificates == "absent" then
            return nil, "no such file"
        end
        return {name = tls.ca_certificates}, "v1"
    end}
    local stand_ins = {
        ["apisix.core"] = {
            log = {error = function() end}, table = {concat = table.concat}, json = {stably_encode = function(t) return t.mode end},
        },
        ["apisix.ssl"] = {},
        ["apisix.mesh.alpn"] = {http = function() return true end, originate_grpc = function() return nil, "an unknown nginx" end},
        ["apisix.mesh.files"] = {get = function(path) return path, "of " .. path end},
        ["apisix.mesh.identity"] = {get = function() return {cert = "c", key = "k", version = "1"} end, roots = function() return "roots" end},
        ["apisix.mesh.origination"] = {follow = function(ctx, kind) followed = {ctx, kind} end},
        ["apisix.mesh.verify"] = known,
        ["ngx.ssl"] = {},
        ["resty.apisix.upstream"] = {set_cert_and_key = function(cert, key) return cert and key and true end},
    }

    setup(function()
        before, ngx_before = {["apisix.mesh.upstream_tls"] = package.loaded["apisix.mesh.upstream_tls"]}, rawget(_G, "ngx")
        package.loaded["apisix.mesh.upstream_tls"] = nil
        for name, stand_in in pairs(stand_ins) do
            before[name], package.loaded[name] = package.loaded[name], stand_in
        end
        rawset(_G, "ngx", {config = {subsystem = "http"}, var = {}, md5 = function(text) return text end})
        upstream_tls = require("apisix.mesh.upstream_tls")
    end)

    teardown(function()
        package.loaded["apisix.mesh.upstream_tls"] = before["apisix.mesh.upstream_tls"]
        for name in pairs(stand_ins) do
            package.loaded[name] = before[name]
        end
        rawset(_G, "ngx", ngx_before)
    end)

    local function own(tls, ctx)
        ctx.mesh_tls_location, ctx.upstream_scheme = "tls", ctx.upstream_scheme or "https"
        ctx.var = ctx.var or {upstream_host = "a.example:8080"}
        return upstream_tls.secure(ctx, {}, tls, "10.0.0.1", 443)
    end

    it("has nodes without a sidecar spoken to in plain text", function()
        local up = {
            nodes = {{host = "a", port = 1, metadata = {peer = "p"}}, {host = "b", port = 1, metadata = {plain_text = true}}},
            discovery_args = {mesh_tls = {mode = "ISTIO_MUTUAL", mixed = true}},
        }
        for scheme, plain in pairs({https = "http", grpcs = "grpc"}) do
            local ctx = {upstream_conf = up, upstream_scheme = scheme, var = {}}
            upstream_tls.prepare(ctx, {host = "a", port = 1})
            assert.equal(scheme, ctx.upstream_scheme)
            upstream_tls.prepare(ctx, {host = "b", port = 1})
            assert.equal(plain, ctx.upstream_scheme)
            assert.equal(plain, ctx.var.upstream_scheme)
        end
        local tls = up.discovery_args.mesh_tls
        assert.equal("p#1", upstream_tls.secure({upstream_scheme = "https"}, up, tls, "a", 1))
        -- One that is not known is not taken for one in plain text.
        assert.is_false(upstream_tls.plain({}, up, tls, "c", 1))
        -- One that stands for a DNS name is what the name is said to be.
        assert.is_true(upstream_tls.plain({mesh_host = {addr = "c:1", plain = true}}, up, tls, "c", 1))
        assert.is_false(upstream_tls.plain({mesh_host = {addr = "c:1", plain = false}}, up, tls, "c", 1))
        assert.is_false(upstream_tls.plain({mesh_host = {addr = "d:1", plain = true}}, up, tls, "c", 1))
        assert.is_nil((upstream_tls.secure({upstream_scheme = "https"}, up, tls, "c", 1)))
    end)

    it("asks for the host, or for the server name that is given", function()
        local ctx = {}
        assert.equal("a.example#a.example#SIMPLE#v1#", own({mode = "SIMPLE", verify_host = true, ca_certificates = "x"}, ctx))
        assert.equal("a.example", ngx.var.mesh_peer)
        assert.same({trusted = {name = "x"}, host = "a.example"}, ctx.mesh_expected)
        ctx = {}
        own({mode = "SIMPLE", sni = "b.example", subject_alt_names = {"c"}}, ctx)
        assert.equal("b.example", ngx.var.mesh_peer)
        assert.same({trusted = {}, names = {"c"}}, ctx.mesh_expected)
        ctx = {var = {upstream_host = "[::1]:443"}}
        own({mode = "SIMPLE", verify_host = true}, ctx)
        assert.equal("", ngx.var.mesh_peer)
        assert.equal("::1", ctx.mesh_expected.host)
        ctx = {}
        own({mode = "SIMPLE", insecure_skip_verify = true}, ctx)
        assert.is_nil(ctx.mesh_expected.trusted)
    end)

    it("makes no connection that it cannot secure", function()
        local function refused(tls, ctx)
            local secured, err = own(tls, ctx)
            assert.is_nil(secured)
            assert.is_nil(ctx.mesh_expected)
            return err
        end
        assert.equal("no such file", refused({mode = "SIMPLE", ca_certificates = "absent"}, {}))
        assert.equal("an unknown nginx", refused({mode = "SIMPLE"}, {upstream_scheme = "grpcs"}))
        assert.equal("its certificate has not come yet", refused({mode = "MUTUAL"}, {}))
        assert.is_nil((upstream_tls.secure({upstream_scheme = "https", var = {}}, {}, {mode = "SIMPLE"}, "10.0.0.1", 443)))
        assert.equal("a.example##MUTUAL#v1#of c#of k", own({mode = "MUTUAL", client_certificate = "c", private_key = "k"}, {}))
    end)

    it("has requests go on where they are secured", function()
        local ctx = {upstream_conf = {discovery_args = {mesh_tls = {mode = "SIMPLE"}}}}
        upstream_tls.prepare(ctx, {host = "a", port = 1})
        assert.same({ctx, "tls"}, followed)
    end)

    it("asks for another name than the one that a node must prove", function()
        local up = {nodes = {}, discovery_args = {mesh_tls = {mode = "ISTIO_MUTUAL", peer = "p", sni = "a.example"}}}
        local tls = up.discovery_args.mesh_tls
        local ctx = {upstream_conf = up, upstream_scheme = "https"}
        upstream_tls.prepare(ctx, {host = "a", port = 1})
        assert.same({ctx, "mtls"}, followed)
        -- Elsewhere nginx would take a certificate for the name that it asks for.
        assert.is_nil((upstream_tls.secure(ctx, up, tls, "a", 1)))
        assert.is_nil((upstream_tls.secure({upstream_scheme = "https", mesh_tls_location = "tls"}, up, tls, "a", 1)))
        ctx.mesh_tls_location = "mtls"
        assert.equal("p#1#a.example", upstream_tls.secure(ctx, up, tls, "a", 1))
        assert.equal("a.example", ngx.var.mesh_peer)
        assert.same({trusted = {name = "roots"}, names = {"p"}}, ctx.mesh_expected)
    end)
end)
