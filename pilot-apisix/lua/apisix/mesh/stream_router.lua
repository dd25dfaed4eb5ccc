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

-- Finds the stream route of a connection among Envoy's filter chain matches: the direction, the port, the longest prefix of
-- the address and the TLS server name, each time what is most specific, and never back from what was chosen.

local ipairs = ipairs
local sort = table.sort
local find = string.find
local sub = string.sub
local lower = string.lower
local tonumber = tonumber

local _M = {}

local function group()
    -- Names are taken by names or wildcards (by what stands after the "*"), and all others by rest.
    return {named = false, names = {}, wildcards = {}, rest = nil}
end

local function add(g, item)
    local name = item.value.sni
    if not name then
        g.rest = g.rest or item
        return
    end
    g.named = true
    name = lower(name)
    if sub(name, 1, 1) == "*" then
        local suffix = sub(name, 2)
        g.wildcards[suffix] = g.wildcards[suffix] or item
    else
        g.names[name] = g.names[name] or item
    end
end

-- groups_of are those of a port: by address, by range, and one for the rest.
local function groups_of(direction, port)
    local p = direction[port]
    if not p then
        p = {addresses = {}, ranges = {}, any = nil}
        direction[port] = p
    end
    return p
end

-- prefix_length is that of "10.0.0.0/8", and nil for an address.
local function prefix_length(address)
    local slash = find(address, "/", 1, true)
    return slash and tonumber(sub(address, slash + 1))
end

-- build makes the index of routes. matcher(range) gives an object whose match(address) says whether it is in the range; nil
-- leaves the routes of the range out.
function _M.build(items, matcher)
    local index = {inbound = {}, outbound = {}}
    local by_range = {}
    for _, item in ipairs(items) do
        local route = item and item.value
        if route then
            local labels = route.labels
            local direction = labels and labels.direction == "inbound" and index.inbound or index.outbound
            local port = groups_of(direction, route.server_port or 0)
            local address = route.server_addr
            local length = address and prefix_length(address)
            local g
            if not address then
                port.any = port.any or group()
                g = port.any
            elseif not length then
                g = port.addresses[address] or group()
                port.addresses[address] = g
            else
                local ranges = by_range[port] or {}
                by_range[port] = ranges
                g = ranges[address]
                local m = not g and matcher(address)
                if m then
                    g = group()
                    ranges[address] = g
                    port.ranges[#port.ranges + 1] = {length = length, matcher = m, group = g}
                end
            end
            if g then
                add(g, item)
            end
        end
    end
    for port in pairs(by_range) do
        sort(port.ranges, function(a, b)
            return a.length > b.length
        end)
    end
    return index
end

-- group is the one of a connection, or nil. Routes without a port are for those that no other route has.
function _M.group(index, inbound, address, port)
    local direction = inbound and index.inbound or index.outbound
    local p = direction[port] or direction[0]
    if not p then
        return nil
    end
    local g = p.addresses[address]
    if g then
        return g
    end
    local ranges = p.ranges
    for i = 1, #ranges do
        local r = ranges[i]
        if r.matcher:match(address) then
            return r.group
        end
    end
    return p.any
end

-- route is the one of a group for a server name in lower case, or for none. A wildcard is for names below it.
function _M.route(g, name)
    if name and g.named then
        local item = g.names[name]
        if item then
            return item
        end
        local dot = find(name, ".", 1, true)
        while dot do
            item = g.wildcards[sub(name, dot)]
            if item then
                return item
            end
            dot = find(name, ".", dot + 1, true)
        end
        item = g.wildcards[""]
        if item then
            return item
        end
    end
    return g.rest
end

return _M
