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

-- The endpoints of one upstream and the choice among them: priority levels, then localities, then Envoy's algorithm.

local edf = require("apisix.mesh.lb.edf")
local levels = require("apisix.mesh.lb.levels")
local outlier = require("apisix.mesh.lb.outlier")
local policy = require("apisix.mesh.lb.policy")
local ring = require("apisix.mesh.lb.ring")
local warmup = require("apisix.mesh.lb.warmup")
local ipairs = ipairs
local setmetatable = setmetatable

-- How often another host is looked for when one was tried before; Istio's host_selection_retry_max_attempts.
local ATTEMPTS = 5

local _M = {}
local mt = {__index = _M}

-- hosts are what the nodes of an upstream of APISIX's mean. A node of weight zero gets no requests. loads remembers the active
-- requests of each address.
function _M.hosts(nodes, loads)
    local list, seen = {}, {}
    for _, node in ipairs(nodes) do
        local addr = node.host .. ":" .. node.port
        if node.weight > 0 and not seen[addr] then
            seen[addr] = true
            local meta = node.metadata or {}
            loads[addr] = loads[addr] or {active = 0}
            list[#list + 1] = {
                addr = addr,
                node = {host = node.host, port = node.port, unix = meta.unix},
                weight = node.weight,
                priority = meta.priority or 0,
                locality = meta.locality or "",
                locality_weight = meta.locality_weight or 1,
                peer = meta.peer,
                unhealthy = meta.unhealthy or false,
                ejected = meta.unhealthy or false,
                plain = meta.plain_text or false,
                load = loads[addr],
            }
        end
    end
    return list
end

-- new is a choice among hosts. conf is discovery_args.mesh of the upstream. env has store, random, digest and now, the clock.
function _M.new(name, hosts, conf, env)
    local self = setmetatable({name = name, all = hosts, conf = conf, env = env}, mt)
    local now = env.now()
    for i = 1, #hosts do
        -- Some are secured and others are not.
        self.mixed = self.mixed or hosts[i].plain
    end
    if conf.outlier_detection then
        self.detector = outlier.new(env.store, name, conf.outlier_detection, now)
    end
    if conf.warmup then
        self.factor = function(host)
            return warmup.factor(conf.warmup, env.now() - host.since)
        end
    end
    self:rebuild(now)
    return self
end

local function warming(self, hosts, now)
    if not self.factor then
        return nil
    end
    for i = 1, #hosts do
        if now - hosts[i].since < self.conf.warmup.duration then
            return self.factor
        end
    end
    return nil
end

local function locality_weight(locality)
    return locality.weight
end

local function host_weight(host)
    return host.weight
end

-- shared weighs the hosts of a level whose localities have weights of their own.
local function shared(level)
    local total = {}
    for i = 1, #level.all do
        local h = level.all[i]
        total[h.locality] = (total[h.locality] or 0) + h.weight
    end
    return function(host)
        return host.locality_weight * host.weight / total[host.locality]
    end
end

local function prepare(self, level, now)
    local conf, env = self.conf, self.env
    if conf.policy == "consistent_hash" then
        level.ring = ring.new(level.all, conf.locality_weighted and shared(level) or host_weight, env.digest, conf.minimum_ring_size)
    elseif level.localities then
        for _, l in ipairs(level.localities) do
            l.policy = policy.new(conf.policy, l.hosts, env.random, warming(self, l.hosts, now))
        end
        local n = #level.localities
        level.schedule = edf.new(level.localities, locality_weight)
        if n > 1 then
            level.schedule:skip(env.random(n) - 1)
        end
    else
        level.policy = policy.new(conf.policy, level.hosts, env.random, warming(self, level.hosts, now))
    end
end

-- rebuild looks anew which hosts are healthy.
function _M.rebuild(self, now)
    if self.detector then
        self.detector:read(self.all, now)
    end
    self.levels = levels.build(self.all, self.conf.min_health_percent or 0, self.conf.locality_weighted)
    for _, level in ipairs(self.levels) do
        -- A ring knows all hosts of its level, whatever their health.
        local old = self.rings and self.rings[level.priority]
        if old then
            level.ring = old
        else
            prepare(self, level, now)
        end
    end
    if self.conf.policy == "consistent_hash" and not self.rings then
        self.rings = {}
        for _, level in ipairs(self.levels) do
            self.rings[level.priority] = level.ring
        end
    end
end

local function from(level)
    if level.schedule then
        local locality = level.schedule:pick()
        return locality and locality.policy:pick()
    end
    return level.policy:pick()
end

-- choose is a host, or nil where none is healthy. place is that of the key on a ring, for consistent_hash only. tried are addresses
-- that another one is preferred to, and other_than priorities; both may be nil.
function _M.choose(self, now, place, tried, other_than)
    if self.detector and self.detector:changed(now) then
        self:rebuild(now)
    end
    local list = self.levels
    local level = list[1]
    if #list > 1 then
        local point = place and place % 100 + 1 or self.env.random(100)
        level = other_than and levels.choose_other(list, point, other_than) or levels.choose(list, point)
    end
    if not level then
        return nil
    end
    if level.ring then
        return level.ring:find(place, level.panic, tried)
    end
    if #level.hosts == 0 then
        return nil
    end
    local host = from(level)
    if tried then
        for _ = 1, ATTEMPTS do
            if not host or not tried[host.addr] then
                return host
            end
            host = from(level)
        end
    end
    return host
end

-- choose_like is a host that speaks plain text, or one that does not, as plain says: a further try cannot go over to the other kind. Where
-- the choice falls on none of them, it is any that is healthy, tried before or not.
function _M.choose_like(self, plain, now, place, tried, other_than)
    for _ = 1, ATTEMPTS do
        local host = self:choose(now, place, tried, other_than)
        if not host or host.plain == plain and not (tried and tried[host.addr]) then
            return host
        end
    end
    local again
    for _, host in ipairs(self.all) do
        if host.plain == plain and not host.ejected and not host.unhealthy then
            if not (tried and tried[host.addr]) then
                return host
            end
            again = again or host
        end
    end
    return again
end

return _M
