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

-- The original destination of a socket: what iptables' REDIRECT replaced is one of its options (SO_ORIGINAL_DST, IP6T_SO_ORIGINAL_DST).

local ffi = require("ffi")

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
]])
-- Others may have declared these.
pcall(ffi.cdef, "int getsockopt(int fd, int level, int name, void *value, unsigned int *length);")
pcall(ffi.cdef, "const char *inet_ntop(int family, const void *address, char *text, unsigned int size);")

local SOL_IP, SOL_IPV6, ORIGINAL_DST = 0, 41, 80
local AF_INET, AF_INET6 = 2, 10
-- sockaddr_in has 16 bytes, sockaddr_in6 28: family, port and, at 4 or 8, the address.
local SIZE = 28

local address = ffi_new("unsigned char[?]", SIZE)
local length = ffi_new("unsigned int[1]")
local text = ffi_new("char[46]")

local function get(fd, level, family, at)
    length[0] = SIZE
    if C.getsockopt(fd, level, ORIGINAL_DST, address, length) ~= 0 or C.inet_ntop(family, address + at, text, 46) == nil then
        return nil
    end
    return ffi_str(text), address[2] * 256 + address[3]
end

local _M = {}

-- ipv4 and ipv6 are the address, without brackets, and the port; nil when the socket is of the other family or was not captured.
function _M.ipv4(fd)
    return get(fd, SOL_IP, AF_INET, 4)
end

function _M.ipv6(fd)
    return get(fd, SOL_IPV6, AF_INET6, 8)
end

return _M
