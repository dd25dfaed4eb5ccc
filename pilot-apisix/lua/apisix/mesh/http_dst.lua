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

-- The original destination of a request's connection. APISIX's nginx module has it as $connection_original_dst, for IPv4 only; here the
-- variable of that name is there for both.

local core = require("apisix.core")
local socket_dst = require("apisix.mesh.socket_dst")
local get_request = require("resty.core.base").get_request
local ffi = require("ffi")
local ngx_var = ngx.var

ffi.cdef([[
    typedef struct {
        unsigned int           signature;
        mesh_ngx_connection_t *connection;
    } mesh_ngx_http_connected_t;
]])

local _M = {}

-- ipv6 is "[address]:port", and empty for IPv4 and for a connection that was not captured. nginx asks once for each request.
function _M.ipv6()
    local r = ffi.cast("mesh_ngx_http_connected_t *", get_request())
    if r == nil or r.connection == nil then
        return ""
    end
    local address, port = socket_dst.ipv6(r.connection.fd)
    return address and "[" .. address .. "]:" .. port or ""
end

core.ctx.register_var("connection_original_dst", function()
    local address = ngx_var.connection_original_dst or ngx_var.ipv6_original_dst
    return address ~= "" and address or nil
end)

return _M
