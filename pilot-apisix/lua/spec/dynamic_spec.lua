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

describe("dynamic", function()
    local dynamic

    setup(function()
        package.loaded["resty.lrucache"] = {new = function() return {set = function() end} end}
        package.loaded["apisix.mesh.resolver"] = {
            waits = function() return true end,
            plain = function(address) return address end,
            get = function(name) return {first = name ~= "nowhere.test" and "10.0.0.1" or nil} end,
        }
        dynamic = require("apisix.mesh.dynamic")
    end)

    teardown(function()
        for _, name in ipairs({"resty.lrucache", "apisix.mesh.resolver", "apisix.mesh.dynamic"}) do
            package.loaded[name] = nil
        end
    end)

    it("takes hosts apart", function()
        for text, want in pairs({
            ["A.test"] = {"a.test", 80}, ["a.test:81"] = {"a.test", 81}, ["[::1]"] = {"[::1]", 80}, ["[::1]:81"] = {"[::1]", 81},
            [""] = {}, [":80"] = {}, ["a:b"] = {}, ["a.test:0"] = {}, ["a.test:65536"] = {}, ["a.test:"] = {"a.test", 80},
        }) do
            assert.same(want, {dynamic.authority(text, "http")}, text)
        end
        assert.same({"a.test", 443}, {dynamic.authority("a.test", "https")})
    end)

    it("goes where the request says", function()
        local upstream = {nodes = {{host = "0.0.0.0", port = 8443}}}
        assert.equal("10.0.0.1:81", dynamic.choose({var = {upstream_host = "a.test:81"}}, upstream, {}, true).addr)
        assert.equal("10.0.0.1:8443", dynamic.choose({mesh_server_name = "a.test"}, upstream, {}, false).addr)
        assert.is_nil(dynamic.choose({var = {upstream_host = "nowhere.test"}}, upstream, {}, true))
        assert.is_nil(dynamic.choose({var = {}}, upstream, {}, true))
        assert.is_nil(dynamic.choose({}, upstream, {}, false))
    end)
end)
