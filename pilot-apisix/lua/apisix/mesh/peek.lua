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

-- Looks at the first bytes of a connection without taking them away. nginx's own way waits for them as long as preread_timeout, and
-- ends the connection when there are none. A client that waits for the server to speak first must be let through, so this waits by
-- itself where it may not be for ever.

local ffi = require("ffi")
local clienthello = require("apisix.mesh.clienthello")
local stream_dst = require("apisix.mesh.stream_dst")
local req_socket = ngx.req.socket
local sleep = ngx.sleep
local now = ngx.now
local C = ffi.C

pcall(ffi.cdef, "ssize_t recv(int fd, void *buffer, size_t length, int flags);")

local MSG_PEEK, MSG_DONTWAIT = 2, 64
local EAGAIN, EINTR = 11, 4

local SIZE = 16384
local buffer = ffi.new("char[?]", SIZE)

local _M = {}

local function try(fd)
    local n = tonumber(C.recv(fd, buffer, SIZE, MSG_PEEK + MSG_DONTWAIT))
    if n > 0 then
        return ffi.string(buffer, n)
    end
    if n == 0 then
        return nil, "closed"
    end
    local errno = ffi.errno()
    if errno == EAGAIN or errno == EINTR then
        return nil, "again"
    end
    return nil, "error"
end

-- wait waits for so many bytes as nginx does. A connection has one object for that, however often it is asked. It must live as long
-- as the connection, also when that was passed on: when Lua collects it, it stops the timer for reading, which would be that of the
-- HTTP request that the connection carries by then (nginx takes it for running, and the worker dies). ngx.ctx ends no sooner.
local function wait(n)
    local ctx = ngx.ctx
    local sock, err = ctx.mesh_downstream, nil
    if not sock then
        sock, err = req_socket()
        if not sock then
            return nil, err
        end
        ctx.mesh_downstream = sock
    end
    return sock:peek(n)
end

-- first is what there is as soon as there is anything, or nil and why not: "timeout" (in seconds; 0 is for ever), "closed", "error".
function _M.first(timeout)
    local fd = stream_dst.fd()
    local data, err = try(fd)
    if err ~= "again" then
        return data, err
    end
    if timeout == 0 then
        data, err = wait(1)
        if not data then
            return nil, err
        end
        return try(fd)
    end
    local deadline, pause = now() + timeout, 0.001
    repeat
        sleep(pause)
        data, err = try(fd)
        if err ~= "again" then
            return data, err
        end
        pause = pause < 0.05 and pause * 2 or pause
    until now() >= deadline
    return nil, "timeout"
end

-- at_least waits for so many bytes, and is all that there are then; nil and why when they do not come.
function _M.at_least(n)
    if n > SIZE then
        return nil, "too many bytes"
    end
    local data, err = wait(n)
    if not data then
        return nil, err
    end
    return try(stream_dst.fd())
end

-- client_hello reads a whole ClientHello of which there are the first bytes: its server name and its protocols, as clienthello.read
-- has them. The third result is why there is neither.
function _M.client_hello(data)
    local name, protocols, more = clienthello.read(data)
    while more do
        local err
        data, err = _M.at_least(more)
        if not data then
            return nil, nil, err
        end
        name, protocols, more = clienthello.read(data)
    end
    return name, protocols
end

return _M
