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

-- The addresses of DNS names, as Envoy's clusters of the types STRICT_DNS and LOGICAL_DNS have them: a name is looked up again when
-- its records' time to live is over, beside the requests, and keeps its addresses for as long as that fails.
--
-- A name is kept for as long as somebody holds what get returns.

local ipairs = ipairs
local max = math.max
local setmetatable = setmetatable
local sort = table.sort
local type = type

-- Seconds between two looks at least, and after one whose answer was on its way out.
local LEAST = 1
-- Envoy's dns_refresh_rate, for records without a time to live and after failures.
local REFRESH = 60

local _M = {}
local mt = {__index = _M}

-- new keeps names. env has query, a function from a name to a list of records {address=, ttl=} or nil and an error; after(seconds, f, ...),
-- which is nil when there is no timer; and warn.
function _M.new(env)
    return setmetatable({env = env, names = setmetatable({}, {__mode = "v"})}, mt)
end

-- put takes the records of an answer. The first address is the one of the record that came first; whether the others have
-- another order says nothing.
local function put(name, records)
    local all, first, seen, ttl = {}, nil, {}, nil
    for _, r in ipairs(records) do
        local address = r.address
        if type(address) == "string" and address ~= "" then
            first = first or address
            if not seen[address] then
                seen[address] = true
                all[#all + 1] = address
            end
            if r.ttl and (not ttl or r.ttl < ttl) then
                ttl = r.ttl
            end
        end
    end
    if #all == 0 then
        return nil
    end
    sort(all)
    local same = name.all and #all == #name.all
    for i = 1, #all do
        same = same and all[i] == name.all[i]
    end
    if not same then
        name.all, name.version = all, name.version + 1
    end
    name.first = first
    return ttl
end

-- look looks a name up, and returns after how many seconds to do it again.
local function look(self, name)
    local records, err = self.env.query(name.name)
    if not records then
        if not name.failed then
            name.failed = true
            self.env.warn("no addresses of ", name.name, ": ", err)
        end
        return name.refresh
    end
    name.failed = nil
    local ttl = put(name, records)
    if not ttl or ttl <= 0 then
        return name.refresh
    end
    return records.expired and LEAST or max(LEAST, ttl)
end

-- again looks a name up from time to time, until nobody holds it any more.
local function again(self, text)
    local name = self.names[text]
    if not name then
        return
    end
    local pause = look(self, name)
    name.timer = self.env.after(pause, again, self, text)
end

-- get is {all=, first=, version=} of a name: all addresses in order, the one for those who want one, and a number that changes with
-- all. Both are nil until there was an answer. With wait it is looked up at once when that was not done yet; there must be a phase
-- that can wait. refresh is in seconds, or nil.
function _M.get(self, text, wait, refresh)
    local name = self.names[text]
    if not name then
        name = {name = text, version = 0, refresh = refresh or REFRESH}
        self.names[text] = name
    end
    if wait and not name.all then
        look(self, name)
    end
    if not name.timer then
        name.timer = self.env.after(name.all and LEAST or 0, again, self, text)
    end
    return name
end

return _M
