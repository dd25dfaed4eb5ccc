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

-- The original destination of a connection in the stream subsystem, which has no variable for it.

local ffi = require("ffi")
local get_request = require("resty.core.base").get_request
local socket_dst = require("apisix.mesh.socket_dst")

ffi.cdef([[
    typedef struct {
        mesh_ngx_connection_t *connection;
    } mesh_ngx_stream_request_t;
]])

local _M = {}

-- fd is the connection's socket, or nil.
function _M.fd()
    local request = ffi.cast("mesh_ngx_stream_request_t *", get_request())
    if request == nil or request.connection == nil then
        return nil
    end
    return request.connection.fd
end

-- get is the address, without brackets, and the port that the connection was made to; nil when it was not captured.
function _M.get()
    local fd = _M.fd()
    if not fd then
        return nil
    end
    local address, port = socket_dst.ipv4(fd)
    if address then
        return address, port
    end
    return socket_dst.ipv6(fd)
end

return _M
