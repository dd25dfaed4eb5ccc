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

local original_dst = require("apisix.mesh.original_dst")

describe("original_dst", function()
    it("takes addresses apart", function()
        for address, want in pairs({
            ["10.0.0.1:80"] = {"10.0.0.1", 80},
            ["[::1]:65535"] = {"[::1]", 65535},
        }) do
            local host, port = original_dst.parse(address)
            assert.equal(want[1], host)
            assert.equal(want[2], port)
        end
        for _, address in ipairs({"", "10.0.0.1", ":80", "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:65536", "10.0.0.1:x"}) do
            assert.is_nil((original_dst.parse(address)))
        end
        assert.is_nil((original_dst.parse(nil)))
    end)

    it("knows the listener itself", function()
        assert.is_true(original_dst.is_own("127.0.0.1", 15001, "127.0.0.1", "15001"))
        assert.is_true(original_dst.is_own("[::1]", 15001, "::1", "15001"))
        assert.is_false(original_dst.is_own("127.0.0.1", 80, "127.0.0.1", "15001"))
        assert.is_false(original_dst.is_own("127.0.0.2", 15001, "127.0.0.1", "15001"))
        assert.is_false(original_dst.is_own("127.0.0.1", 15001, nil, nil))
    end)

    it("secures an address like the node that it is", function()
        local function secured(known)
            local up = {nodes = {{host = "10.0.0.1", port = 80}}}
            original_dst.secure(up, known, "10.0.0.1", 80)
            return up
        end
        local nodes = {{host = "10.0.0.2", port = 80, metadata = {peer = "b"}}, {host = "10.0.0.1", port = 80, metadata = {peer = "a"}}}
        local up = secured({nodes = nodes, discovery_args = {mesh_tls = {mode = "ISTIO_MUTUAL"}}})
        assert.same({mode = "ISTIO_MUTUAL"}, up.discovery_args.mesh_tls)
        assert.equal("a", up.nodes[1].metadata.peer)
        local tls = {mode = "SIMPLE", sni = "x"}
        up = secured({nodes = nodes, discovery_args = {mesh_tls = tls}})
        assert.equal(tls, up.discovery_args.mesh_tls)
        assert.is_nil(secured({nodes = nodes}).discovery_args)
        -- Nothing is known, and nothing goes there.
        up = secured(nil)
        assert.same({mode = "ISTIO_MUTUAL"}, up.discovery_args.mesh_tls)
        assert.is_nil(up.nodes[1].metadata.peer)
    end)
end)
