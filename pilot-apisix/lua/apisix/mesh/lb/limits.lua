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

-- Envoy's circuit breakers: how many requests, retries and waiting requests an upstream has at a time, all worker processes
-- together. Each worker counts its own, so that one which ends unexpectedly leaves nothing behind.

local floor = math.floor
local max = math.max
local ipairs = ipairs
local setmetatable = setmetatable

-- How long is waited, in seconds, before it is looked again whether there is a connection to be had.
local PAUSE = 0.005

local _M = {}
local mt = {__index = _M}

local KINDS = {"active", "pending", "retries"}

-- new counts for the upstream of this name. worker is this process's number, of 0 to workers-1.
function _M.new(store, name, worker, workers)
    local self = setmetatable({store = store, own = {}, keys = {}, counts = {}}, mt)
    for _, kind in ipairs(KINDS) do
        local keys = {}
        for i = 0, workers - 1 do
            keys[i + 1] = kind .. "|" .. name .. "|" .. i
        end
        self.keys[kind], self.own[kind] = keys, kind .. "|" .. name .. "|" .. worker
        self.counts[kind] = 0
        store:set(self.own[kind], 0)
    end
    return self
end

-- total is the sum over the workers.
function _M.total(self, kind)
    local keys, sum = self.keys[kind], 0
    for i = 1, #keys do
        sum = sum + (self.store:get(keys[i]) or 0)
    end
    return sum
end

-- add writes the whole count: after a reload the old worker of the same number, as long as it has requests, and the new one
-- write in turns, and the last word is the new one's.
function _M.add(self, kind, n)
    local count = self.counts[kind] + n
    self.counts[kind] = count
    self.store:set(self.own[kind], count)
end

-- admit counts a request and is true, or false for one too many. conf is discovery_args.mesh.connection_pool. sleep makes the
-- request wait for a connection; without it, as for what is not HTTP, it does not wait.
function _M.admit(self, conf, sleep)
    if sleep and conf.http2_max_requests and self:total("active") >= conf.http2_max_requests then
        return false
    end
    local connections = conf.max_connections
    if connections and self:total("active") >= connections then
        if not sleep then
            return false
        end
        local most = conf.http1_max_pending_requests
        if most and self:total("pending") >= most then
            return false
        end
        self:add("pending", 1)
        repeat
            sleep(PAUSE)
        until self:total("active") < connections
        self:add("pending", -1)
    end
    self:add("active", 1)
    return true
end

-- again counts a request's further try and is true, or false for one too many. budget is discovery_args.mesh.retry_budget, or nil.
function _M.again(self, conf, budget)
    local most = conf.max_retries
    if budget then
        local requests = self:total("active") + self:total("pending")
        most = max(floor(requests * budget.percent / 100), budget.min_retry_concurrency)
    end
    if most and self:total("retries") >= most then
        return false
    end
    self:add("retries", 1)
    return true
end

return _M
