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

local hash = require("apisix.mesh.hash")

local function reader(values)
    return function(kind, name)
        return values[kind .. ":" .. (name or "")]
    end
end

describe("hash", function()
    local keys = {{header = "x-user"}, {cookie = "c"}, {query = "q"}, {source_ip = true}}

    it("takes what the request has", function()
        assert.is_nil(hash.key(keys, reader({})))
        assert.is_nil(hash.key({}, reader({["source_ip:"] = "1.1.1.1"})))
        assert.equal("a", hash.key(keys, reader({["header:x-user"] = "a"})))
        assert.equal("a\0b\0c\0001.1.1.1", hash.key(keys, reader({
            ["header:x-user"] = "a", ["cookie:c"] = "b", ["query:q"] = "c", ["source_ip:"] = "1.1.1.1",
        })))
        -- An empty value is a value.
        assert.equal("", hash.key(keys, reader({["query:q"] = ""})))
    end)

    it("makes cookies", function()
        assert.equal('c="v"; HttpOnly', hash.set_cookie({name = "c", ttl = 0}, "v"))
        assert.equal('c="v"; Max-Age=60; Path=/x; SameSite=Strict; Secure; HttpOnly', hash.set_cookie({
            name = "c", ttl = 60, path = "/x", attributes = {{name = "SameSite", value = "Strict"}, {name = "Secure", value = ""}},
        }, "v"))
    end)
end)
