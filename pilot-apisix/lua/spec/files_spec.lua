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

describe("files", function()
    local files, before, ngx_before, time, path

    setup(function()
        before, ngx_before = package.loaded["apisix.mesh.files"], rawget(_G, "ngx")
        package.loaded["apisix.mesh.files"] = nil
        time = 100
        rawset(_G, "ngx", {now = function() return time end, md5 = function(text) return "version of " .. text end})
        files = require("apisix.mesh.files")
        path = os.tmpname()
    end)

    teardown(function()
        package.loaded["apisix.mesh.files"] = before
        rawset(_G, "ngx", ngx_before)
        os.remove(path)
    end)

    local function write(text)
        local file = assert(io.open(path, "w"))
        file:write(text)
        file:close()
    end

    local parsed = 0

    local function parse(text)
        parsed = parsed + 1
        if text == "bad" then
            return nil, "bad text"
        end
        return "parsed " .. text
    end

    it("reads a file again when it has changed", function()
        write("one")
        local value, version = files.get(path, parse)
        assert.equal("parsed one", value)
        assert.equal("version of one", version)
        write("two")
        assert.equal("parsed one", (files.get(path, parse)))
        assert.equal(1, parsed)
        time = time + 6
        value, version = files.get(path, parse)
        assert.equal("parsed two", value)
        assert.equal("version of two", version)
        -- What did not change is not parsed again.
        time = time + 6
        assert.equal("parsed two", (files.get(path, parse)))
        assert.equal(2, parsed)
    end)

    it("goes on with the last good one", function()
        write("bad")
        time = time + 6
        local value, version = files.get(path, parse)
        assert.equal("parsed two", value)
        assert.equal("version of two", version)
        os.remove(path)
        time = time + 6
        assert.equal("parsed two", (files.get(path, parse)))
    end)

    it("says why there is none", function()
        local value, why = files.get(path .. ".absent", parse)
        assert.is_nil(value)
        assert.matches("absent", why)
        local other = path .. ".bad"
        local file = assert(io.open(other, "w"))
        file:write("bad")
        file:close()
        value, why = files.get(other, parse)
        os.remove(other)
        assert.is_nil(value)
        assert.equal(other .. ": bad text", why)
    end)
end)
