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

describe("protocol", function()
    local upstream, version, before
    local function scheme_of(scheme, content_type, code)
        local ctx = {var = {http_content_type = content_type}}
        upstream = {set_by_route = function()
            ctx.upstream_scheme = scheme
            return code, code and "no"
        end}
        package.loaded["apisix.mesh.protocol"] = nil
        require("apisix.mesh.protocol").install(upstream)
        local got, err = upstream.set_by_route({}, ctx)
        assert.equal(code, got)
        assert.equal(code and "no", err)
        return ctx.upstream_scheme, ctx.var.upstream_scheme
    end

    setup(function()
        before = rawget(_G, "ngx")
        rawset(_G, "ngx", {req = {http_version = function() return version end}})
    end)

    teardown(function()
        rawset(_G, "ngx", before)
    end)

    it("sends gRPC on in HTTP/2", function()
        version = 2
        assert.same({"grpc", "grpc"}, {scheme_of("http", "application/grpc")})
        assert.same({"grpcs", "grpcs"}, {scheme_of("https", "application/grpc+proto")})
        assert.same({"grpcs"}, {scheme_of("grpcs", "application/grpc")})
    end)

    it("leaves everything else alone", function()
        version = 2
        assert.same({"http"}, {scheme_of("http", "application/json")})
        assert.same({"http"}, {scheme_of("http", nil)})
        assert.same({"http"}, {scheme_of("http", "application/grpc-web")})
        assert.same({"http"}, {scheme_of("http", "application/grpc", 503)})
        version = 1.1
        assert.same({"https"}, {scheme_of("https", "application/grpc")})
    end)
end)
