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

-- Reads the server name and the protocols of a TLS ClientHello (RFC 8446, RFC 6066, RFC 7301) from bytes that were peeked at.

local byte = string.byte
local sub = string.sub
local lower = string.lower
local find = string.find

local _M = {}

local HANDSHAKE = 22
local CLIENT_HELLO = 1
local SERVER_NAME = 0
local HOST_NAME = 0
local ALPN = 16

-- MOST is the number of bytes that are looked at: nginx's preread_buffer_size. It ends connections that are asked for more.
_M.MOST = 16384

-- is_tls says whether what begins like this may be TLS.
function _M.is_tls(first)
    return byte(first, 1) == HANDSHAKE
end

local function u16(s, i)
    local a, b = byte(s, i, i + 1)
    return b and a * 256 + b
end

-- handshake joins the records at the beginning of data. It is nil with the number of bytes to peek at when there are too few.
local function handshake(data)
    local joined, at, wanted = "", 1, nil
    repeat
        if #data < at + 4 then
            return nil, at + 4
        end
        if byte(data, at) ~= HANDSHAKE then
            return nil
        end
        local length = u16(data, at + 3)
        if length == 0 then
            return nil
        end
        if #data < at + 4 + length then
            return nil, at + 4 + length
        end
        joined = joined .. sub(data, at + 5, at + 4 + length)
        at = at + 5 + length
        if #joined >= 4 then
            if byte(joined, 1) ~= CLIENT_HELLO then
                return nil
            end
            wanted = 4 + byte(joined, 2) * 65536 + u16(joined, 3)
        end
    until wanted and #joined >= wanted
    return sub(joined, 1, wanted)
end

-- skip is the position behind a list whose length has so many bytes, or nil.
local function skip(s, at, size)
    local length = size == 1 and byte(s, at) or size == 2 and u16(s, at)
    return length and at + size + length
end

local function host_name(list)
    local at = 3
    while at + 3 <= #list do
        local length = u16(list, at + 1)
        local name = sub(list, at + 3, at + 2 + length)
        if byte(list, at) == HOST_NAME and #name == length and length > 0 then
            -- What is not a name matches nothing but must not match by accident either.
            return not find(name, "[%z%s]") and lower(name) or nil
        end
        at = at + 3 + length
    end
end

local function protocols(list)
    local out, at = {}, 3
    while at <= #list do
        local length = byte(list, at)
        out[#out + 1] = sub(list, at + 1, at + length)
        at = at + 1 + length
    end
    return out
end

-- read is the server name in lower case, or nil when there is none: the client speaks no TLS, or does not say; then a list of the
-- protocols that the client offers (ALPN), or nil. With too few bytes it is nil, nil and the number of bytes to look at.
function _M.read(data)
    local hello, more = handshake(data)
    if not hello then
        if more and more > _M.MOST then
            return nil
        end
        return nil, nil, more
    end
    -- Type and length, version, random.
    local at = skip(hello, 4 + 2 + 32 + 1, 1)
    at = at and skip(hello, at, 2)
    at = at and skip(hello, at, 1)
    local last = at and skip(hello, at, 2)
    if not last then
        return nil
    end
    at = at + 2
    local name, offered
    while at + 4 <= last do
        local kind, length = u16(hello, at), u16(hello, at + 2)
        if not length then
            break
        end
        if kind == SERVER_NAME then
            name = host_name(sub(hello, at + 4, at + 3 + length))
        elseif kind == ALPN then
            offered = protocols(sub(hello, at + 4, at + 3 + length))
        end
        at = at + 4 + length
    end
    return name, offered
end

return _M
