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

local headers = require("apisix.mesh.headers")

-- recorder notes what is done, in the order in which it is.
local function recorder()
    local log = {}
    local target = {}
    for _, op in ipairs({"remove", "set", "add"}) do
        target[op] = function(_, name, value)
            log[#log + 1] = op .. " " .. name .. (value and "=" .. value or "")
        end
    end
    return target, log
end

local function apply(ops, vars)
    local target, log = recorder()
    local plan = headers.plan(ops)
    if plan then
        headers.apply(plan, target, {}, vars or {})
    end
    return log
end

describe("headers", function()
    it("are removed, then overwritten, then added", function()
        assert.same({"remove a", "remove b", "set d=2", "set f=4", "add c=1", "add e=3"}, apply({
            remove = {"a", "b"},
            values = {
                {name = "c", value = "1", append = true},
                {name = "d", value = "2"},
                {name = "e", value = "3", append = true},
                {name = "f", value = "4", append = false},
            },
        }))
    end)

    it("take their values from variables", function()
        assert.same({"set a=1.2.3.4", "set b=from 1.2.3.4:80."}, apply({
            values = {
                {name = "a", value = {{var = "remote_addr"}}},
                {name = "b", value = {"from ", {var = "remote_addr"}, ":", {var = "port"}, "."}},
            },
        }, {remote_addr = "1.2.3.4", port = 80}))
    end)

    it("evaluate every value before any is applied", function()
        local target, log = recorder()
        local vars = {http_a = "old"}
        target.set = function(_, name, value)
            vars["http_" .. name] = value
            log[#log + 1] = name .. "=" .. value
        end
        headers.apply(headers.plan({
            values = {{name = "a", value = "new"}, {name = "b", value = {{var = "http_a"}}}},
        }), target, {}, vars)
        assert.same({"a=new", "b=old"}, log)
    end)

    it("take text literally", function()
        assert.same({"set a=$x ${remote_addr} %REQ(x)% \\$"},
            apply({values = {{name = "a", value = "$x ${remote_addr} %REQ(x)% \\$"}}}, {x = "1", remote_addr = "2"}))
    end)

    it("are left alone by empty values", function()
        assert.same({"set c=x"}, apply({
            values = {
                {name = "a", value = ""},
                {name = "b", value = {{var = "missing"}}, append = true},
                {name = "c", value = {{var = "missing"}, "x"}},
                {name = "d", value = {{var = "cookie"}}},
            },
        }, {cookie = {}}))
    end)

    it("cost nothing where there are none", function()
        assert.is_nil(headers.plan(nil))
        assert.is_nil(headers.plan({}))
        assert.is_nil(headers.plan({remove = {}, values = {}}))
    end)

    it("refuse what cannot be done", function()
        assert.is_true(headers.check(nil, true))
        assert.is_true(headers.check({remove = {"x"}, values = {{name = "y", value = {{var = "uri"}}}}}, true))
        assert.is_false((headers.check({remove = {"Host"}}, true)))
        assert.is_false((headers.check({values = {{name = "HOST", value = "x"}}}, true)))
        assert.is_true((headers.check({values = {{name = "host", value = "x"}}})))
        for _, var in ipairs({"post_arg_x", "graphql_name", "cookie", "resp_body"}) do
            assert.is_false((headers.check({values = {{name = "x", value = {{var = var}}}}})))
        end
    end)
end)
