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
local pairs = pairs
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

-- groups_of are those of a port: by address, by range and its length, and one for the rest.
local function groups_of(direction, port)
    local p = direction[port]
    if not p then
        p = {addresses = {}, lengths = {}, ranges = {}, any = nil}
        direction[port] = p
    end
    return p
end

-- prefix_length is the address and the length of "10.0.0.0/8"; without a length it is one address.
local function prefix_length(address)
    local slash = find(address, "/", 1, true)
    if not slash then
        return address
    end
    local length = tonumber(sub(address, slash + 1))
    if length == (find(address, ":", 1, true) and 128 or 32) then
        return sub(address, 1, slash - 1)
    end
    return address, length
end

-- group_of is the group of a port's routes for an address or a range, or for all.
local function group_of(port, address)
    if not address then
        port.any = port.any or group()
        return port.any
    end
    local length
    address, length = prefix_length(address)
    local groups = port.addresses
    if length then
        groups = port.lengths[length] or {}
        port.lengths[length] = groups
    end
    groups[address] = groups[address] or group()
    return groups[address]
end

local function longer(a, b)
    return a.length > b.length
end

-- build makes the index of routes. matcher(groups), of groups by ranges of one length, gives an object whose match(address) is
-- the group of the range that the address is in.
function _M.build(items, matcher)
    local index = {inbound = {}, outbound = {}}
    for _, item in ipairs(items) do
        local route = item and item.value
        if route then
            local labels = route.labels
            local direction = labels and labels.direction == "inbound" and index.inbound or index.outbound
            local port = groups_of(direction, route.server_port or 0)
            add(group_of(port, route.server_addr), item)
        end
    end
    for _, direction in pairs(index) do
        for _, port in pairs(direction) do
            for length, groups in pairs(port.lengths) do
                port.ranges[#port.ranges + 1] = {length = length, matcher = matcher(groups)}
            end
            sort(port.ranges, longer)
        end
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
        g = ranges[i].matcher:match(address)
        if g then
            return g
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
