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

-- The original destination of a connection in the stream subsystem, which has no variable for it: what iptables' REDIRECT
-- replaced is an option of the socket (SO_ORIGINAL_DST, IP6T_SO_ORIGINAL_DST).

local ffi = require("ffi")
local get_request = require("resty.core.base").get_request

local C = ffi.C
local ffi_new = ffi.new
local ffi_str = ffi.string

ffi.cdef([[
    typedef struct {
        void *data;
        void *read;
        void *write;
        int   fd;
    } mesh_ngx_connection_t;

    typedef struct {
        mesh_ngx_connection_t *connection;
    } mesh_ngx_stream_request_t;
]])
-- Others may have declared these.
pcall(ffi.cdef, "int getsockopt(int fd, int level, int name, void *value, unsigned int *length);")
pcall(ffi.cdef, "const char *inet_ntop(int family, const void *address, char *text, unsigned int size);")

local SOL_IP, SOL_IPV6, ORIGINAL_DST = 0, 41, 80
local AF_INET, AF_INET6 = 2, 10
-- sockaddr_in has 16 bytes, sockaddr_in6 28: family, port and, at 4 or 8, the address.
local SIZE = 28

local _M = {}

local address = ffi_new("unsigned char[?]", SIZE)
local length = ffi_new("unsigned int[1]")
local text = ffi_new("char[46]")

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
    local family, at = AF_INET, 4
    length[0] = SIZE
    if C.getsockopt(fd, SOL_IP, ORIGINAL_DST, address, length) ~= 0 then
        family, at = AF_INET6, 8
        length[0] = SIZE
        if C.getsockopt(fd, SOL_IPV6, ORIGINAL_DST, address, length) ~= 0 then
            return nil
        end
    end
    if C.inet_ntop(family, address + at, text, 46) == nil then
        return nil
    end
    return ffi_str(text), address[2] * 256 + address[3]
end

return _M
