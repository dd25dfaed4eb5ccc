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

local hello = require("apisix.mesh.clienthello")

local function u8(n) return string.char(n) end
local function u16(n) return string.char(math.floor(n / 256), n % 256) end
local function u24(n) return u8(math.floor(n / 65536)) .. u16(n % 65536) end

local function extension(kind, body) return u16(kind) .. u16(#body) .. body end

local function name(text, kind)
    local entry = u8(kind or 0) .. u16(#text) .. text
    return extension(0, u16(#entry) .. entry)
end

-- message is a ClientHello with these extensions; nil for none at all.
local function message(extensions)
    local body = u16(0x303) .. string.rep("r", 32) .. u8(4) .. "sess" .. u16(4) .. u16(0x1301) .. u16(0x1302) .. u8(1) .. u8(0)
    if extensions then
        body = body .. u16(#extensions) .. extensions
    end
    return u8(1) .. u24(#body) .. body
end

local function record(fragment, kind) return u8(kind or 22) .. u16(0x301) .. u16(#fragment) .. fragment end

-- read peeks as the caller does.
local function read(data)
    local n = 1
    for _ = 1, 50 do
        local found, protocols, more = hello.read(string.sub(data, 1, n))
        if not more then
            return found, protocols
        end
        assert.is_true(more > n)
        if more > #data then
            return nil, "short"
        end
        n = more
    end
    error("it never ends")
end

describe("clienthello", function()
    it("finds the name", function()
        assert.equal("a.example.com", read(record(message(extension(10, "xx") .. name("A.example.com") .. extension(16, "h2")))))
        assert.is_true(hello.is_tls(record(message())))
        assert.is_false(hello.is_tls("GET / HTTP/1.1"))
        assert.is_false(hello.is_tls(""))
    end)

    it("finds the protocols", function()
        local offered = u8(14) .. "istio-http/1.1" .. u8(8) .. "http/1.1"
        local found, protocols = read(record(message(extension(16, u16(#offered) .. offered) .. name("a"))))
        assert.equal("a", found)
        assert.same({"istio-http/1.1", "http/1.1"}, protocols)
        found, protocols = read(record(message(extension(16, u16(3) .. u8(200) .. "h2"))))
        assert.is_nil(found)
        assert.same({"h2"}, protocols)
        assert.same({}, (select(2, read(record(message(extension(16, "")))))))
    end)

    it("joins records, wherever they are cut", function()
        local m = message(name("a.example.com"))
        for cut = 1, #m - 1 do
            assert.equal("a.example.com", read(record(string.sub(m, 1, cut)) .. record(string.sub(m, cut + 1))))
        end
    end)

    it("takes a long one", function()
        assert.equal("a.example.com", read(record(message(extension(21, string.rep("\0", 4000)) .. name("a.example.com")))))
        -- One that is longer than the buffer counts as one without a name.
        local m = message(extension(21, string.rep("\0", 20000)) .. name("a.example.com"))
        assert.is_nil((read(record(string.sub(m, 1, 16000)) .. record(string.sub(m, 16001)))))
    end)

    it("knows what has none", function()
        assert.is_nil((read(record(message()))))
        assert.is_nil((read(record(message("")))))
        assert.is_nil((read(record(message(extension(10, "xx"))))))
        assert.is_nil((read(record(message(name("x", 1))))))
        assert.is_nil((read(record(message(name(""))))))
        assert.is_nil((read(record(message(name("a\0b"))))))
        assert.is_nil((read(record("\2" .. string.sub(message(name("a")), 2)))))
        assert.is_nil((read(record("x", 23))))
        assert.is_nil((read(record(""))))
        assert.is_nil((read("GET / HTTP/1.1\r\n")))
    end)

    it("survives anything", function()
        local good = record(message(name("a.example.com")))
        math.randomseed(1)
        for _ = 1, 3000 do
            local bytes = {}
            for i = 1, #good do
                bytes[i] = math.random(20) == 1 and u8(math.random(0, 255)) or string.sub(good, i, i)
            end
            read(string.sub(table.concat(bytes), 1, math.random(1, #good)))
        end
    end)
end)
