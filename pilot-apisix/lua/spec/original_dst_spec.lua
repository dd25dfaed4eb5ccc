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
end)
