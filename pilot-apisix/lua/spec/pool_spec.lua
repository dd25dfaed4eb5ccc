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


describe("pool", function()
    local balancer, chosen, before, ngx_before, prepared
    local module = {pick_server = function(_, ctx) return ctx.node, "none" end}
    local stand_ins = {
        ["apisix.core"] = {log = {error = function() end}},
        ["apisix.mesh.upstream_tls"] = {
            settings = function(up) return up.tls end,
            plain = function(_, _, tls, host) return tls.plain == host end,
            prepare = function(_, node) prepared = node end,
            secure = function(_, _, tls)
                if not tls.name then
                    return nil, "nobody"
                end
                return tls.name
            end,
        },
    }

    setup(function()
        before = {balancer = package.loaded["ngx.balancer"], pool = package.loaded["apisix.mesh.pool"]}
        ngx_before = rawget(_G, "ngx")
        balancer = {set_current_peer = function(host, port, opts)
            chosen = {host, port, opts and opts.pool}
            return true
        end}
        package.loaded["ngx.balancer"], package.loaded["apisix.mesh.pool"] = balancer, nil
        for name, stand_in in pairs(stand_ins) do
            before[name], package.loaded[name] = package.loaded[name], stand_in
        end
        rawset(_G, "ngx", {var = {}, ctx = {}})
        require("apisix.mesh.pool").install(module)
    end)

    teardown(function()
        package.loaded["ngx.balancer"], package.loaded["apisix.mesh.pool"] = before.balancer, before.pool
        for name in pairs(stand_ins) do
            package.loaded[name] = before[name]
        end
        rawset(_G, "ngx", ngx_before)
    end)

    local function choose(source, pool)
        ngx.var.upstream_source = source
        assert.is_true(balancer.set_current_peer("10.0.0.1", 80, pool and {pool = pool}))
        assert.equal("10.0.0.1", chosen[1])
        assert.equal(80, chosen[2])
        return chosen[3]
    end

    it("keeps connections of another source apart", function()
        assert.equal("http#10.0.0.1#80", choose("", "http#10.0.0.1#80"))
        assert.equal("http#10.0.0.1#80", choose(nil, "http#10.0.0.1#80"))
        assert.equal("http#10.0.0.1#80#127.0.0.6", choose("127.0.0.6", "http#10.0.0.1#80"))
        assert.is_nil(choose("127.0.0.6", nil))
    end)

    it("keeps connections apart that are secured in different ways", function()
        ngx.ctx.api_ctx = {upstream_scheme = "https", upstream_conf = {tls = {name = "a.b._sa.td#1"}}}
        assert.equal("https#10.0.0.1:80#a.b._sa.td#1", choose("", "https#10.0.0.1#80#reviews"))
        assert.equal("https#10.0.0.1:80#a.b._sa.td#1#127.0.0.6", choose("127.0.0.6", "https#10.0.0.1#80#reviews"))
        -- HTTP/1.1 and gRPC to one port.
        ngx.ctx.api_ctx.upstream_scheme = "grpcs"
        assert.equal("grpcs#10.0.0.1:80#a.b._sa.td#1", choose("", "grpcs#10.0.0.1#80#reviews"))
        ngx.ctx.api_ctx = {upstream_conf = {tls = {plain = "10.0.0.1"}}, upstream_scheme = "http"}
        assert.equal("http#10.0.0.1:80", choose("", "https#10.0.0.1#80#reviews"))
        ngx.ctx.api_ctx = nil
    end)

    it("connects to sockets", function()
        local node = {node = {host = "0.0.0.0", port = 7, unix = "/run/a.sock"}, addr = "0.0.0.0:7"}
        ngx.var.upstream_source = ""
        ngx.ctx.api_ctx = {upstream_conf = {}, mesh_host = node}
        balancer.set_current_peer("0.0.0.0", 7, {pool = "http#0.0.0.0#7"})
        assert.same({"unix:/run/a.sock", nil, "http#0.0.0.0#7#unix:/run/a.sock"}, chosen)
        balancer.set_current_peer("0.0.0.0", 7)
        assert.same({"unix:/run/a.sock"}, chosen)
        -- Secured, and the node is none that this balancer has chosen.
        ngx.ctx.api_ctx.upstream_conf.tls, ngx.ctx.api_ctx.upstream_scheme = {name = "sni"}, "https"
        balancer.set_current_peer("0.0.0.0", 7, {pool = "https#0.0.0.0#7"})
        assert.same({"unix:/run/a.sock", nil, "https#0.0.0.0:7#sni#unix:/run/a.sock"}, chosen)
        balancer.set_current_peer("10.0.0.1", 80)
        assert.same({"10.0.0.1", 80}, chosen)
        ngx.ctx.api_ctx = nil
    end)

    it("decides how a request goes on to the node that was chosen", function()
        local node, err = module.pick_server(nil, {node = "one"})
        assert.equal("one", node)
        assert.equal("one", prepared)
        prepared = nil
        node, err = module.pick_server(nil, {})
        assert.is_nil(node)
        assert.equal("none", err)
        assert.is_nil(prepared)
    end)

    it("makes no connection that cannot be secured", function()
        ngx.ctx.api_ctx = {upstream_conf = {tls = {}}}
        assert.is_true(balancer.set_current_peer("10.0.0.1", 80, {pool = "x"}))
        assert.same({"unix:/dev/null"}, chosen)
        ngx.ctx.api_ctx = nil
    end)
end)
