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

describe("mutual_servers", function()
    local servers

    setup(function()
        package.loaded["apisix.plugin"] = {}
        package.loaded["apisix.mesh.mutual_servers"] = nil
        servers = require("apisix.mesh.mutual_servers")
    end)

    local function chosen(name, port)
        local found = servers.choose(servers.index({
            {port = 443, istio_mutual = {
                {names = {"a.test", "*.b.test"}},
                {names = {"*"}, ssl_protocols = {"TLSv1.3"}},
            }, others = {"own.b.test", "*.c.test"}},
            {port = 444, istio_mutual = {{names = {"a.test"}}}},
            {port = 445},
        }), port or 443, name)
        assert.is_true(found == nil or servers.has(found))
        return found and (found.value.ssl_protocols and "any" or "named") or nil
    end

    it("takes the most specific name", function()
        assert.equal("named", chosen("a.test"))
        assert.equal("named", chosen("A.test"))
        assert.equal("named", chosen("x.b.test"))
        assert.equal("named", chosen("y.x.b.test"))
        assert.equal("any", chosen("b.test"))
        assert.equal("any", chosen("else.test"))
        assert.equal("any", chosen("*"))
    end)

    it("leaves the names of other servers alone", function()
        assert.is_nil(chosen("own.b.test"))
        assert.is_nil(chosen("x.c.test"))
    end)

    it("looks at the port", function()
        assert.equal("named", chosen("a.test", 444))
        assert.is_nil(chosen("x.test", 444))
        assert.is_nil(chosen("*", 444))
        assert.is_nil(chosen("a.test", 445))
        assert.is_nil(chosen("a.test", 446))
    end)
end)
