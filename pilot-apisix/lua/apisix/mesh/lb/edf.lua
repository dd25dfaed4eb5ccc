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

-- Envoy's earliest deadline first scheduler: it gives each item its turn as often as its weight is big. A pick costs
-- O(log n) and allocates nothing.

local setmetatable = setmetatable

local _M = {}
local mt = {__index = _M}

-- before is the order of a heap's members; of those due at the same time the one that came first is first.
local function before(self, a, b)
    local x, y = self.due[a], self.due[b]
    return x < y or x == y and self.turn[a] < self.turn[b]
end

local function sift(self, i)
    local heap, n = self.heap, self.n
    while true do
        local least, left, right = i, 2 * i, 2 * i + 1
        if left <= n and before(self, heap[left], heap[least]) then
            least = left
        end
        if right <= n and before(self, heap[right], heap[least]) then
            least = right
        end
        if least == i then
            return
        end
        heap[i], heap[least] = heap[least], heap[i]
        i = least
    end
end

-- new schedules items by weight(item), which is above zero and may be another one at each turn.
function _M.new(items, weight)
    local self = setmetatable({items = items, weight = weight, n = #items, now = 0, turns = #items, heap = {}, due = {}, turn = {}}, mt)
    for i = 1, self.n do
        self.heap[i], self.due[i], self.turn[i] = i, 1 / weight(items[i]), i
    end
    for i = self.n, 1, -1 do
        sift(self, i)
    end
    return self
end

-- pick is whose turn it is, or nil where there are no items.
function _M.pick(self)
    local i = self.heap[1]
    if not i then
        return nil
    end
    local item = self.items[i]
    local now = self.due[i]
    self.now = now
    self.turns = self.turns + 1
    self.due[i], self.turn[i] = now + 1 / self.weight(item), self.turns
    sift(self, 1)
    return item
end

-- skip passes over some turns, so that not every worker process begins with the same item.
function _M.skip(self, turns)
    for _ = 1, turns do
        self:pick()
    end
    return self
end

return _M
