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


local detect = require("apisix.mesh.detect")

describe("detect", function()
    it("knows HTTP/1.1", function()
        for _, data in ipairs({
            "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\n", "POST /a?b HTTP/1.1\r\nHost: a\r\n\r\n", "M-SEARCH * HTTP/1.1\r\n",
            "PROPFIND / HTTP/1.1\r\n", "CONNECT a:443 HTTP/1.1\r\n",
        }) do
            assert.is_true(detect.http(data), data)
        end
    end)

    it("knows HTTP/2", function()
        local preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        assert.is_true(detect.http(preface))
        assert.is_true(detect.http(preface .. "\0\0\0"))
        for n = 1, #preface - 1 do
            assert.is_nil(detect.http(string.sub(preface, 1, n)))
        end
        assert.is_false(detect.http("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"))
    end)

    it("waits for a whole request line", function()
        local line = "OPTIONS /a/b?c HTTP/1.1\r\n"
        for n = 1, #line - 1 do
            assert.is_nil(detect.http(string.sub(line, 1, n)), string.sub(line, 1, n))
        end
        assert.is_nil(detect.http(""))
        assert.is_false(detect.http("GET /" .. string.rep("a", 9000)))
    end)

    it("knows what is none", function()
        for _, data in ipairs({
            "\22\3\1", "\0", "get / HTTP/1.1\r\n", "HELO a\r\n", "GET key\r\n", "GET / HTTP/1.0\r\n", "GET / HTTP/1.2\r\n", "GETX / HTTP/1.1\r\n",
            "GET  HTTP/1.1\r\n", "*1\r\n$4\r\nPING\r\n", "SSH-2.0-x\r\n", "XYZ",
        }) do
            assert.is_false(detect.http(data), data)
        end
    end)

    it("knows the mesh by its protocols", function()
        assert.equal("http", detect.mesh({"istio-http/1.1", "istio", "http/1.1"}))
        assert.equal("http", detect.mesh({"istio", "istio-h2"}))
        assert.equal("tcp", detect.mesh({"istio-peer-exchange", "istio"}))
        assert.is_nil(detect.mesh({"h2", "http/1.1"}))
        assert.is_nil(detect.mesh({}))
        assert.is_nil(detect.mesh(nil))
    end)
end)
