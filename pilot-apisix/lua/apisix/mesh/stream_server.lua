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

-- Another server's way of proxying for the connection at hand. In the stream subsystem no connection can go on in another location, as HTTP has them, and
-- the protocols that TLS offers and the way it checks certificates are the server's. nginx keeps what each module has been told about a server in a list
-- that a connection points to, and points it elsewhere when a server name asks for that; so does this, with a list that differs in the modules which
-- proxy and run Lua.

-- It declares what the two have in common.
require("apisix.mesh.alpn")
local ffi = require("ffi")
local get_request = require("resty.core.base").get_request
local C = ffi.C

ffi.cdef([[
    typedef struct {
        void      *elts;
        uintptr_t  nelts;
        size_t     size;
        uintptr_t  nalloc;
        void      *pool;
    } mesh_ngx_array_t;

    typedef struct {
        void **main_conf;
        void **srv_conf;
    } mesh_ngx_stream_conf_ctx_t;

    typedef struct {
        mesh_ngx_array_t            server_names;
        void                       *handler;
        mesh_ngx_stream_conf_ctx_t *ctx;
        char                       *file_name;
        uintptr_t                   line;
        mesh_ngx_str_t              server_name;
    } mesh_ngx_stream_core_srv_conf_t;

    extern mesh_ngx_module_t ngx_stream_core_module;
    extern mesh_ngx_module_t ngx_stream_lua_module;
    extern uintptr_t ngx_stream_max_module;
]])
-- Others may have declared this one.
pcall(ffi.cdef, "extern mesh_ngx_module_t ngx_stream_proxy_module;")

local STREAM = 0x4d525453
local UNKNOWN = "this nginx keeps its configuration of servers in another place"

local _M = {}

-- known says that the declarations above are this nginx's.
local function known()
    local version = ngx.config.nginx_version
    return version >= 1025005 and version < 1030000
end

-- find is the list of the server of that name.
local function find(session, name)
    local core = C.ngx_stream_core_module.ctx_index
    local servers = ffi.cast("mesh_ngx_array_t *", session.main_conf[core])
    if servers == nil or servers.size ~= ffi.sizeof("void *") then
        return nil
    end
    local list = ffi.cast("mesh_ngx_stream_core_srv_conf_t **", servers.elts)
    for i = 0, tonumber(servers.nelts) - 1 do
        local server = list[i]
        if server.ctx == nil or server.ctx.main_conf ~= session.main_conf or server.ctx.srv_conf[core] ~= ffi.cast("void *", server) then
            return nil
        end
        if server.server_name.len == #name and ffi.string(server.server_name.data, #name) == name then
            return server.ctx.srv_conf
        end
    end
    return nil
end

-- The lists by the one that they replace: each server of nginx's has one.
local lists = {}

-- use has the connection at hand go on as the server of a name proxies; it is true, or nil and why not.
function _M.use(name)
    if not known() then
        return nil, UNKNOWN
    end
    local r = ffi.cast("mesh_ngx_stream_lua_request_t *", get_request())
    if r == nil or r.session == nil or r.session.signature ~= STREAM then
        return nil, UNKNOWN
    end
    local session = r.session
    local id = name .. tostring(ffi.cast("uintptr_t", session.srv_conf))
    local list = lists[id]
    if not list then
        local other = find(session, name)
        if not other then
            return nil, "there is no server " .. name
        end
        local n = tonumber(C.ngx_stream_max_module)
        list = ffi.new("void *[?]", n)
        ffi.copy(list, session.srv_conf, n * ffi.sizeof("void *"))
        for _, module in ipairs({C.ngx_stream_proxy_module, C.ngx_stream_lua_module}) do
            list[module.ctx_index] = other[module.ctx_index]
        end
        lists[id] = list
    end
    session.srv_conf = list
    return true
end

return _M
