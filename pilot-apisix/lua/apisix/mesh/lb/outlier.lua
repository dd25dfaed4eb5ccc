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

-- Envoy's outlier detection: an endpoint with so many failures in a row is left out for a while, longer each time. What is
-- known is in a store that all worker processes share, an ngx.shared.DICT.
--
-- Envoy looks every interval for endpoints to take back. When that will be is known as soon as one is ejected, so that here
-- nobody needs to look.

local ceil = math.ceil
local floor = math.floor
local max = math.max
local min = math.min
local setmetatable = setmetatable

-- Envoy's max_ejection_time, in seconds, where the base is not longer.
local MAX_EJECTION_TIME = 300

local _M = {}
local mt = {__index = _M}

-- new is the detector of the upstream of this name. conf has consecutive_5xx_errors, consecutive_gateway_errors and
-- consecutive_local_origin_failures, of which absent ones do not eject, split_external_local_origin_errors, interval,
-- base_ejection_time (in seconds) and max_ejection_percent.
function _M.new(store, name, conf, now)
    local began = "began|" .. name
    store:add(began, now)
    return setmetatable({
        store = store,
        name = name,
        conf = conf,
        began = store:get(began) or now,
        version_key = "ejections|" .. name,
        hosts = {},
    }, mt)
end

-- read notes on each of the hosts whether it is ejected.
function _M.read(self, hosts, now)
    self.hosts = hosts
    self.version = self.store:get(self.version_key)
    local next_return
    for i = 1, #hosts do
        local h = hosts[i]
        if not h.until_key then
            local id = "|" .. self.name .. "|" .. h.addr
            h.until_key, h.errors_key, h.gateway_key, h.local_key = "until" .. id, "5xx" .. id, "gateway" .. id, "local" .. id
        end
        local back = self.store:get(h.until_key)
        local out = back ~= nil and now < back
        h.ejected = out or h.unhealthy or false
        if out and (not next_return or back < next_return) then
            next_return = back
        end
    end
    self.next_return = next_return
end

-- changed says that what read has noted may not be true any more.
function _M.changed(self, now)
    return self.next_return ~= nil and now >= self.next_return or self.store:get(self.version_key) ~= self.version
end

local function reset(self, key)
    -- Most often there is nothing to reset, and reading is cheaper than writing.
    if self.store:get(key) then
        self.store:delete(key)
    end
end

local function eject(self, host, now)
    local store, conf = self.store, self.conf
    local back, times = store:get(host.until_key)
    if back and now < back then
        -- Another worker was faster.
        return
    end
    local active = 0
    for i = 1, #self.hosts do
        local other = store:get(self.hosts[i].until_key)
        if other and now < other then
            active = active + 1
        end
    end
    if 100 * (active + 1) / #self.hosts > conf.max_ejection_percent then
        return
    end
    -- How often it was ejected, less one for each interval since it came back.
    times = back and times or 0
    if back then
        times = max(0, times - (floor((now - self.began) / conf.interval) - floor((back - self.began) / conf.interval + 0.5) + 1))
    end
    local base = conf.base_ejection_time
    local most = max(base, MAX_EJECTION_TIME)
    if times * base < most + base then
        times = times + 1
    end
    local over = now + min(base * times, most)
    back = self.began + ceil((over - self.began) / conf.interval) * conf.interval
    store:set(host.until_key, back, back - now + (times + 1) * conf.interval, times)
    store:delete(host.errors_key)
    store:delete(host.gateway_key)
    store:delete(host.local_key)
    store:incr(self.version_key, 1, 0)
end

local function count(self, host, key, most, now)
    if most and self.store:incr(key, 1, 0) == most then
        eject(self, host, now)
        self.store:delete(key)
    end
end

-- response takes note of an answer's status.
function _M.response(self, host, status, now)
    if host.ejected and not self:changed(now) then
        return
    end
    local conf = self.conf
    if status < 500 or status > 599 then
        reset(self, host.errors_key)
        reset(self, host.gateway_key)
        return
    end
    if status >= 502 and status <= 504 then
        count(self, host, host.gateway_key, conf.consecutive_gateway_errors, now)
    else
        reset(self, host.gateway_key)
    end
    count(self, host, host.errors_key, conf.consecutive_5xx_errors, now)
end

-- failed takes note of a try without an answer. timeout says that it was waited for.
function _M.failed(self, host, timeout, now)
    if not self.conf.split_external_local_origin_errors then
        return self:response(host, timeout and 504 or 503, now)
    end
    if not host.ejected or self:changed(now) then
        count(self, host, host.local_key, self.conf.consecutive_local_origin_failures, now)
    end
end

-- connected takes note that a connection could be made. final says that no answer will follow that could be looked at.
function _M.connected(self, host, final)
    if self.conf.split_external_local_origin_errors then
        reset(self, host.local_key)
    elseif final then
        reset(self, host.errors_key)
        reset(self, host.gateway_key)
    end
end

return _M
