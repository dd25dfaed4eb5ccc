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

-- How Envoy answers gRPC itself: which request is gRPC, and which status of HTTP is which of gRPC.

local byte = string.byte
local format = string.format
local gsub = string.gsub
local sub = string.sub

local TYPE = "application/grpc"

-- https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md
local TO_GRPC = {
    [400] = 13, -- INTERNAL
    [401] = 16, -- UNAUTHENTICATED
    [403] = 7,  -- PERMISSION_DENIED
    [404] = 12, -- UNIMPLEMENTED
    [429] = 14, -- UNAVAILABLE
    [502] = 14,
    [503] = 14,
    [504] = 14,
}
local UNKNOWN = 2

-- https://cloud.google.com/apis/design/errors#handling_errors, from OK (0) to UNAUTHENTICATED (16)
local TO_HTTP = {
    [0] = 200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401,
}

local _M = {}

-- is_grpc tells by the content type: application/grpc, or that with a subtype or parameter.
function _M.is_grpc(content_type)
    if not content_type or sub(content_type, 1, #TYPE) ~= TYPE then
        return false
    end
    local after = sub(content_type, #TYPE + 1, #TYPE + 1)
    return after == "" or after == "+" or after == ";"
end

function _M.from_http(status)
    return TO_GRPC[status] or UNKNOWN
end

function _M.to_http(status)
    return TO_HTTP[status] or 500
end

local function percent(c)
    return format("%%%02X", byte(c))
end

-- message is text as the header grpc-message carries it.
function _M.message(text)
    return (gsub(text, "[^ -$&-}]", percent))
end

return _M
