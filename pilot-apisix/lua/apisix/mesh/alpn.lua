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

-- The protocols that a connection to a server offers (ALPN). By them a sidecar tells the mesh's TLS from the application's, and nginx has no
-- directive for it. OpenSSL keeps them with the location's SSL_CTX, which is in nginx's configuration right in front of a
-- field that nginx itself says the place of, in its table of directives.

local ffi = require("ffi")
local get_request = require("resty.core.base").get_request
local C = ffi.C

ffi.cdef([[
    typedef struct {
        size_t      len;
        const char *data;
    } mesh_ngx_str_t;

    typedef struct {
        mesh_ngx_str_t  name;
        uintptr_t       type;
        void           *set;
        uintptr_t       conf;
        uintptr_t       offset;
        void           *post;
    } mesh_ngx_command_t;

    typedef struct {
        uintptr_t           ctx_index;
        uintptr_t           index;
        const char         *name;
        uintptr_t           spare0;
        uintptr_t           spare1;
        uintptr_t           version;
        const char         *signature;
        void               *ctx;
        mesh_ngx_command_t *commands;
    } mesh_ngx_module_t;

    typedef struct {
        unsigned int   signature;
        void          *connection;
        void         **ctx;
        void         **main_conf;
        void         **srv_conf;
        void         **loc_conf;
    } mesh_ngx_http_request_head_t;

    typedef struct {
        unsigned int   signature;
        void          *connection;
        int64_t        received;
        int64_t        start_sec;
        uintptr_t      start_msec;
        void          *log_handler;
        void         **ctx;
        void         **main_conf;
        void         **srv_conf;
    } mesh_ngx_stream_session_head_t;

    typedef struct {
        void                           *connection;
        mesh_ngx_stream_session_head_t *session;
    } mesh_ngx_stream_lua_request_t;

    int SSL_CTX_set_alpn_protos(void *ctx, const char *protos, unsigned int length);
    void SSL_CTX_set_cert_verify_callback(void *ctx, void *callback, void *argument);
]])

local HTTP, STREAM = 0x50545448, 0x4d525453

local _M = {}

local function wire(protocols)
    local out = ""
    for _, p in ipairs(protocols) do
        out = out .. string.char(#p) .. p
    end
    return out
end

-- What Envoy offers to a workload of the mesh, for HTTP/1.1, HTTP/2 and everything else.
_M.HTTP1 = wire({"istio-http/1.1", "istio", "http/1.1"})
_M.HTTP2 = wire({"istio-h2", "istio", "h2"})
_M.TCP = wire({"istio"})
-- And elsewhere; nothing for HTTP/1.1.
_M.ORIGINATED_HTTP2 = wire({"h2"})

-- offset is where a module's configuration has its ngx_ssl_t, next to what a directive sets.
local function offset(name, directive, distance)
    ffi.cdef("extern mesh_ngx_module_t " .. name .. ";")
    local module = C[name]
    local command = module.commands
    while command ~= nil and command.name.len > 0 do
        if ffi.string(command.name.data, command.name.len) == directive then
            return module, tonumber(command.offset) + distance
        end
        command = command + 1
    end
    return nil
end

-- place finds the pointer to ngx_ssl_t, of which the first member is the SSL_CTX.
local places = {}

local function place(name, directive, distance)
    local p = places[name]
    if not p then
        local ok, module, at = pcall(offset, name, directive, distance)
        p = ok and module and {module = module, offset = at} or {}
        places[name] = p
    end
    return p
end

local function context(confs, p)
    local conf = ffi.cast("char *", confs[p.module.ctx_index])
    local ssl = ffi.cast("void ***", conf + p.offset)[0]
    return ssl ~= nil and ssl[0] or nil
end

-- done has the contexts that offer already.
local done = {}

local function offer(ctx, protocols)
    local id = tonumber(ffi.cast("uintptr_t", ctx))
    if done[id] then
        return true
    end
    if C.SSL_CTX_set_alpn_protos(ctx, protocols, #protocols) ~= 0 then
        return nil, "OpenSSL takes no protocols"
    end
    done[id] = true
    return true
end

local UNKNOWN = "this nginx keeps its configuration of TLS in another place"

local function http_context(grpc)
    local r = ffi.cast("mesh_ngx_http_request_head_t *", get_request())
    local p
    if grpc then
        p = place("ngx_http_grpc_module", "grpc_ssl_session_reuse", -8)
    else
        p = place("ngx_http_proxy_module", "proxy_ssl_session_reuse", -8)
    end
    if not p.module or r == nil or r.signature ~= HTTP then
        return nil, UNKNOWN
    end
    local ctx = context(r.loc_conf, p)
    if not ctx then
        return nil, UNKNOWN
    end
    return ctx
end

-- http makes the location of the request at hand offer protocols, once for all its requests.
function _M.http(grpc)
    local ctx, err = http_context(grpc)
    if not ctx then
        return nil, err
    end
    return offer(ctx, grpc and _M.HTTP2 or _M.HTTP1)
end

local asked = {}

-- originate_grpc makes the location of the request at hand, which is for gRPC with TLS of an upstream's own, or with the mesh's, offer HTTP/2 and
-- ask Lua whether a certificate will do: nginx's directive for that is for proxy_pass only.
function _M.originate_grpc(mesh)
    local ctx, err = http_context(true)
    if not ctx then
        return nil, err
    end
    local id = tonumber(ffi.cast("uintptr_t", ctx))
    if not asked[id] then
        local ok, handler = pcall(function()
            ffi.cdef("int ngx_http_lua_proxy_ssl_verify_handler(void *store, void *argument);")
            return C.ngx_http_lua_proxy_ssl_verify_handler
        end)
        if not ok then
            return nil, UNKNOWN
        end
        C.SSL_CTX_set_cert_verify_callback(ctx, ffi.cast("void *", handler), nil)
        asked[id] = true
    end
    return offer(ctx, mesh and _M.HTTP2 or _M.ORIGINATED_HTTP2)
end

-- stream does the same for the server of the connection at hand.
function _M.stream()
    local r = ffi.cast("mesh_ngx_stream_lua_request_t *", get_request())
    local p = place("ngx_stream_proxy_module", "proxy_ssl_conf_command", 8)
    if not p.module or r == nil or r.session == nil or r.session.signature ~= STREAM then
        return nil, UNKNOWN
    end
    local ctx = context(r.session.srv_conf, p)
    if not ctx then
        return nil, UNKNOWN
    end
    return offer(ctx, _M.TCP)
end

return _M
