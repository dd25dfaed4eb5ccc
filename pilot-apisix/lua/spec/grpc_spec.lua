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

local grpc = require("apisix.mesh.grpc")

describe("grpc", function()
    it("is told by the content type", function()
        for _, t in ipairs({"application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"}) do
            assert.is_true(grpc.is_grpc(t))
        end
        for _, t in ipairs({"application/grpc-web", "application/grp", "text/plain", ""}) do
            assert.is_false(grpc.is_grpc(t))
        end
        assert.is_false(grpc.is_grpc(nil))
    end)

    it("maps statuses as Envoy does", function()
        assert.equal(14, grpc.from_http(503))
        assert.equal(12, grpc.from_http(404))
        assert.equal(2, grpc.from_http(500))
        assert.equal(2, grpc.from_http(200))
        local expected = {[0] = 200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401}
        for code = 0, 16 do
            assert.equal(expected[code], grpc.to_http(code))
        end
        assert.equal(500, grpc.to_http(17))
    end)

    it("encodes messages", function()
        assert.equal("fault filter abort", grpc.message("fault filter abort"))
        assert.equal("a%0D%0Ab%25%7E%C3%A9}", grpc.message("a\r\nb%~\195\169}"))
    end)
end)
