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

-- The headers of the request to the upstream and of the response to the client, as apisix.mesh.headers changes them.

local core = require("apisix.core")
local gsub = string.gsub
local lower = string.lower

local _M = {}

-- APISIX keeps variables once read; the one of a header with a dash it would not forget by itself.
local function forget(ctx, name)
    ctx.var["http_" .. gsub(lower(name), "-", "_")] = nil
end

_M.request = {
    remove = function(ctx, name)
        core.request.set_header(ctx, name, nil)
        forget(ctx, name)
    end,
    set = function(ctx, name, value)
        core.request.set_header(ctx, name, value)
        forget(ctx, name)
    end,
    add = function(ctx, name, value)
        core.request.add_header(ctx, name, value)
        forget(ctx, name)
    end,
}

_M.response = {
    remove = function(_, name)
        core.response.set_header(name, nil)
    end,
    set = function(_, name, value)
        core.response.set_header(name, value)
    end,
    add = function(_, name, value)
        core.response.add_header(name, value)
    end,
}

return _M
