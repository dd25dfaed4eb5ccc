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

-- Tells the agent of objects that APISIX does not accept. APISIX's own message has the directory and the content of an object, but neither
-- its name nor which version of it: ours, which the agent finds in the error log, has both, and nothing of the content.

local cjson = require("cjson.safe")
local check_schema = require("apisix.core.schema").check
local setmetatable = setmetatable
local tostring = tostring
local ipairs = ipairs
local pairs = pairs
local type = type
local sub = string.sub

local _M = {}

-- What is said of the reason; a line of nginx's log has 2048 bytes at least.
local LONGEST = 600

-- revisions are those at which objects were read, as long as somebody has the object.
local revisions = setmetatable({}, {__mode = "k"})

local function note(node)
    if node and type(node.value) == "table" then
        revisions[node.value] = node.modifiedIndex
    end
end

local function tell(key, value, err)
    local revision = revisions[value]
    if key and revision then
        ngx.log(ngx.ERR, "mesh refused: ", (cjson.encode({key = key, revision = tostring(revision), reason = sub(tostring(err), 1, LONGEST)})))
    end
end

-- told are the options of a directory, with a checker that does what APISIX does and tells of it.
local function told(opts, dir)
    local schema, checker = opts.item_schema, opts.checker
    if not schema and not checker then
        return opts
    end
    local out = {}
    for k, v in pairs(opts) do
        out[k] = v
    end
    out.item_schema = nil
    out.checker = function(value, key)
        local ok, err = true, nil
        if schema then
            ok, err = check_schema(schema, value)
        end
        if ok and checker then
            ok, err = checker(value, key)
        end
        if not ok then
            tell(key or dir, value, err)
        end
        return ok, err
    end
    return out
end

-- revisions_of wraps what reads from etcd.
function _M.revisions_of(etcd)
    local kvs_to_node, get_format, watch_format = etcd.kvs_to_node, etcd.get_format, etcd.watch_format
    function etcd.kvs_to_node(kvs)
        local node = kvs_to_node(kvs)
        note(node)
        return node
    end
    function etcd.get_format(...)
        local res, err = get_format(...)
        local body = res and res.body
        if body then
            note(body.node)
            for _, node in ipairs(body.node and body.node.nodes or body.list or {}) do
                note(node)
            end
        end
        return res, err
    end
    function etcd.watch_format(v3res)
        local res, err = watch_format(v3res)
        for _, node in ipairs(res and res.body.node or {}) do
            note(node)
        end
        return res, err
    end
end

-- install wraps the module that keeps what is read (apisix.core.config_etcd).
function _M.install(config)
    _M.revisions_of(require("apisix.core.etcd"))
    local new = config.new
    function config.new(key, opts)
        return new(key, opts and told(opts, key))
    end
end

return _M
