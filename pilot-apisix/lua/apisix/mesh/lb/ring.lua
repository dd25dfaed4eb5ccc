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

-- A hash ring: equal keys find the same host, and when a host leaves only its keys go elsewhere. Envoy's ring has as many
-- points; where on it they are differs.

local byte = string.byte
local ceil = math.ceil
local floor = math.floor
local min = math.min
local setmetatable = setmetatable
local sort = table.sort

-- Envoy's default for the size of a ring, and the most that is made here.
local LEAST, MOST = 1024, 65536

local _M = {}
local mt = {__index = _M}

local function number(digest, at)
    local a, b, c, d = byte(digest, at, at + 3)
    return ((a * 256 + b) * 256 + c) * 256 + d
end

-- new puts hosts of {addr=} on a ring, each with its share of the points by weight(host). digest is a function from a string to 16
-- bytes, and minimum the number of points, which is rounded up.
function _M.new(hosts, weight, digest, minimum)
    local total, least = 0, nil
    for i = 1, #hosts do
        local w = weight(hosts[i])
        total = total + w
        if w > 0 and (not least or w < least) then
            least = w
        end
    end
    local points, owner = {}, {}
    if least then
        -- The lightest host has a whole number of points.
        local share = least / total
        local size = min(ceil(share * (minimum or LEAST)) / share, MOST)
        for i = 1, #hosts do
            local h = hosts[i]
            local n = ceil(size * weight(h) / total - 1e-9)
            for j = 0, n - 1 do
                if j % 4 == 0 then
                    h.digest = digest(h.addr .. "_" .. j / 4)
                end
                local point = number(h.digest, j % 4 * 4 + 1)
                if not owner[point] then
                    owner[point] = h
                    points[#points + 1] = point
                end
            end
            h.digest = nil
        end
        sort(points)
    end
    return setmetatable({points = points, owner = owner, digest = digest}, mt)
end

-- hash is the place of a key on every ring.
function _M.hash(key, digest)
    return number(digest(key), 1)
end

-- find is the first host from this place on that is healthy, or any where all will do, and was not tried if there is such a
-- one; nil for none. tried are addresses, or nil.
function _M.find(self, place, all, tried)
    local points = self.points
    local n = #points
    if n == 0 then
        return nil
    end
    local low, high = 1, n + 1
    while low < high do
        local middle = floor((low + high) / 2)
        if points[middle] < place then
            low = middle + 1
        else
            high = middle
        end
    end
    local first
    for i = low - 1, low - 2 + n do
        local host = self.owner[points[i % n + 1]]
        if all or not host.ejected then
            if not tried or not tried[host.addr] then
                return host
            end
            first = first or host
        end
    end
    return first
end

return _M
