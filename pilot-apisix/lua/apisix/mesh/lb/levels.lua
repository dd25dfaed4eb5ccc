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

-- Which endpoints may be chosen, by Envoy's priority levels: the first level takes all requests as long as enough of its
-- endpoints are healthy, and the next ones the rest. In a panic (too few are healthy) health is not looked at.

local floor = math.floor
local min = math.min
local sort = table.sort

-- Of a level's endpoints 1/1.4 suffice for all of its load; Envoy's overprovisioning factor, in percent.
local OVERPROVISIONING = 140

local _M = {}

-- availability is how much of the load a level can take, in percent.
local function availability(healthy, total)
    if total == 0 then
        return 0
    end
    return min(100, floor(OVERPROVISIONING * healthy / total))
end

-- loads shares 100 percent among levels of {healthy=, total=}; threshold is the panic threshold in percent. It sets load and
-- panic of each level.
function _M.loads(levels, threshold)
    local sum, all = 0, 0
    for i = 1, #levels do
        local level = levels[i]
        level.availability = availability(level.healthy, level.total)
        level.load, level.panic = 0, false
        sum = sum + level.availability
        all = all + level.total
    end
    sum = min(sum, 100)
    if #levels == 0 then
        return
    end
    if sum == 0 and threshold == 0 then
        levels[1].load = 100
        return
    end
    local total_panic = sum < 100
    if sum < 100 then
        for i = 1, #levels do
            local level = levels[i]
            level.panic = level.total == 0 and threshold > 0 or 100 * level.healthy / level.total < threshold
            total_panic = total_panic and level.panic
        end
    end
    local left, first = 100, nil
    for i = 1, #levels do
        local level = levels[i]
        if total_panic then
            first = first or level
            level.load = floor(100 * level.total / all)
        elseif level.availability > 0 then
            first = first or level
            level.load = min(left, floor(level.availability * 100 / sum))
        end
        left = left - level.load
    end
    if first then
        first.load = first.load + left
    end
end

-- choose is the level of point, a number from 1 to 100.
function _M.choose(levels, point)
    for i = 1, #levels do
        point = point - levels[i].load
        if point <= 0 then
            return levels[i]
        end
    end
    return levels[1]
end

-- choose_other does the same as if there were none of the levels that were tried; tried are priorities. Where all were, it begins
-- anew.
function _M.choose_other(levels, point, tried)
    local sum = 0
    for i = 1, #levels do
        if not tried[levels[i].priority] then
            sum = sum + levels[i].availability
        end
    end
    if sum == 0 then
        return _M.choose(levels, point)
    end
    sum = min(sum, 100)
    local last
    for i = 1, #levels do
        local level = levels[i]
        if not tried[level.priority] and level.availability > 0 then
            last = level
            point = point - level.availability * 100 / sum
            if point <= 0 then
                break
            end
        end
    end
    return last
end

local function healthy_of(hosts)
    local list = {}
    for i = 1, #hosts do
        if not hosts[i].ejected then
            list[#list + 1] = hosts[i]
        end
    end
    return list
end

-- localities are a level's, each with its healthy endpoints and the weight that Envoy leaves it for them.
local function localities(hosts)
    local list, by_name = {}, {}
    for i = 1, #hosts do
        local h = hosts[i]
        local l = by_name[h.locality]
        if not l then
            l = {name = h.locality, weight = h.locality_weight, hosts = {}, total = 0}
            by_name[h.locality] = l
            list[#list + 1] = l
        end
        l.total = l.total + 1
        if not h.ejected then
            l.hosts[#l.hosts + 1] = h
        end
    end
    local usable = {}
    for i = 1, #list do
        local l = list[i]
        l.weight = l.weight * availability(#l.hosts, l.total) / 100
        if l.weight > 0 then
            usable[#usable + 1] = l
        end
    end
    return usable
end

-- build puts hosts of {priority=, locality=, locality_weight=, ejected=} into levels. Of each, hosts are those to choose from,
-- and localities, if they are asked for and there is no panic, share them.
function _M.build(hosts, threshold, weighted)
    local levels, by_priority = {}, {}
    for i = 1, #hosts do
        local h = hosts[i]
        local level = by_priority[h.priority]
        if not level then
            level = {priority = h.priority, all = {}}
            by_priority[h.priority] = level
            levels[#levels + 1] = level
        end
        level.all[#level.all + 1] = h
    end
    sort(levels, function(a, b) return a.priority < b.priority end)
    for i = 1, #levels do
        local level = levels[i]
        level.hosts = healthy_of(level.all)
        level.healthy, level.total = #level.hosts, #level.all
    end
    _M.loads(levels, threshold)
    for i = 1, #levels do
        local level = levels[i]
        if level.panic then
            level.hosts = level.all
        elseif weighted then
            level.localities = localities(level.all)
        end
    end
    return levels
end

return _M
