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

-- A stand-in for an ngx.shared.DICT, of this worker alone: for an APISIX whose config.yaml declares none, and for tests.

local setmetatable = setmetatable

local _M = {}
local mt = {__index = _M}

function _M.new()
    return setmetatable({values = {}, flags = {}}, mt)
end

function _M.get(self, key)
    return self.values[key], self.flags[key]
end

function _M.set(self, key, value, _, flags)
    self.values[key], self.flags[key] = value, flags
    return true
end

function _M.add(self, key, value)
    if self.values[key] ~= nil then
        return false, "exists"
    end
    return self:set(key, value)
end

function _M.incr(self, key, n, init)
    local value = (self.values[key] or init) + n
    self.values[key] = value
    return value
end

function _M.delete(self, key)
    self.values[key], self.flags[key] = nil, nil
end

return _M
