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

local router = require("apisix.mesh.stream_router")

-- A matcher by text: the addresses of the tests begin like their range, up to its zeros.
-- matcher is enough for ranges that end where a number does.
local function matcher(groups)
    return {match = function(_, address)
        for range, group in pairs(groups) do
            local prefix = string.gsub(range, "/.*$", "")
            while string.find(prefix, "%.0$") do
                prefix = string.sub(prefix, 1, -3)
            end
            if string.sub(address, 1, #prefix) == prefix then
                return group
            end
        end
        return false
    end}
end

local function build(routes)
    local items = {}
    for i, r in ipairs(routes) do
        local labels = r.inbound and {direction = "inbound"} or nil
        items[i] = {value = {id = r.id, server_port = r.port, server_addr = r.addr, sni = r.sni, labels = labels}}
    end
    return router.build(items, matcher)
end

local function find(index, address, port, name, inbound)
    local g = router.group(index, inbound, address, port)
    local item = g and router.route(g, name)
    return item and item.value.id
end

describe("stream_router", function()
    it("goes by the port first", function()
        local index = build({{id = "any"}, {id = "80", port = 80}, {id = "addr", port = 81, addr = "10.0.0.1"}})
        assert.equal("80", find(index, "10.0.0.1", 80))
        assert.equal("any", find(index, "10.0.0.1", 82))
        assert.equal("addr", find(index, "10.0.0.1", 81))
        -- The port is known: there is no way back to routes without one.
        assert.is_nil(find(index, "10.0.0.2", 81))
        assert.is_nil(find(build({}), "10.0.0.2", 81))
    end)

    it("goes by the longest prefix then", function()
        local index = build({
            {id = "8", port = 80, addr = "10.0.0.0/8"}, {id = "24", port = 80, addr = "10.1.2.0/24"}, {id = "16", port = 80, addr = "10.1.0.0/16"},
            {id = "32", port = 80, addr = "10.1.2.3"}, {id = "any", port = 80}, {id = "v6", port = 80, addr = "2001:db8::/32"},
        })
        assert.equal("32", find(index, "10.1.2.3", 80))
        assert.equal("24", find(index, "10.1.2.4", 80))
        assert.equal("16", find(index, "10.1.3.4", 80))
        assert.equal("8", find(index, "10.2.3.4", 80))
        assert.equal("any", find(index, "11.2.3.4", 80))
        assert.equal("v6", find(index, "2001:db8::1", 80))
    end)

    it("takes ranges of one address for the address", function()
        local index = build({
            {id = "32", port = 80, addr = "10.1.2.3/32"}, {id = "name", port = 80, addr = "10.1.2.3", sni = "a"}, {id = "any", port = 80},
            {id = "128", port = 80, addr = "2001:db8::1/128"},
        })
        assert.equal("32", find(index, "10.1.2.3", 80))
        assert.equal("name", find(index, "10.1.2.3", 80, "a"))
        assert.equal("128", find(index, "2001:db8::1", 80))
        assert.equal("any", find(index, "2001:db8::2", 80))
    end)

    it("goes by the server name last", function()
        local index = build({
            {id = "exact", port = 443, sni = "A.example.com"}, {id = "wild", port = 443, sni = "*.example.com"},
            {id = "deep", port = 443, sni = "*.b.example.com"}, {id = "rest", port = 443},
            {id = "only", port = 443, addr = "10.0.0.1", sni = "a.example.com"},
        })
        assert.equal("exact", find(index, "10.0.0.2", 443, "a.example.com"))
        assert.equal("wild", find(index, "10.0.0.2", 443, "c.example.com"))
        assert.equal("wild", find(index, "10.0.0.2", 443, "d.c.example.com"))
        assert.equal("deep", find(index, "10.0.0.2", 443, "a.b.example.com"))
        assert.equal("wild", find(index, "10.0.0.2", 443, "b.example.com"))
        assert.equal("rest", find(index, "10.0.0.2", 443, "example.com"))
        assert.equal("rest", find(index, "10.0.0.2", 443, nil))
        assert.equal("only", find(index, "10.0.0.1", 443, "a.example.com"))
        -- The address is known: there is no way back to the routes of all addresses.
        assert.is_nil(find(index, "10.0.0.1", 443, "c.example.com"))
    end)

    it("knows who waits for a name", function()
        local index = build({{id = "a", port = 443, sni = "a.example.com"}, {id = "b", port = 3306}})
        assert.is_true(router.group(index, false, "10.0.0.1", 443).named)
        assert.is_false(router.group(index, false, "10.0.0.1", 3306).named)
    end)

    it("keeps the directions apart", function()
        local index = build({{id = "out", port = 80}, {id = "in", port = 80, inbound = true}, {id = "all", inbound = true}})
        assert.equal("out", find(index, "10.0.0.1", 80, nil, false))
        assert.equal("in", find(index, "10.0.0.1", 80, nil, true))
        assert.equal("all", find(index, "10.0.0.1", 81, nil, true))
        assert.is_nil(find(index, "10.0.0.1", 81, nil, false))
    end)

    it("passes over what is deleted", function()
        local index = router.build({false, {}, {value = {id = "a", server_port = 80}}}, matcher)
        assert.equal("a", find(index, "10.0.0.1", 80))
    end)

    it("has one matcher for all ranges of a length", function()
        local made = 0
        router.build({
            {value = {server_addr = "10.0.0.0/24"}}, {value = {server_addr = "10.0.1.0/24"}}, {value = {server_addr = "10.0.0.0/16"}},
        }, function()
            made = made + 1
        end)
        assert.equal(2, made)
    end)
end)
