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

-- Paths of requests, as Envoy sees and rewrites them: percent-encoded, apart from the query, which is never touched.
--
-- APISIX matches routes on nginx's $uri, which is decoded and has its dot segments resolved. What the client sent is
-- kept as long as it means the same; rewriting "/old/../secret" by its prefix would not.

local byte = string.byte
local char = string.char
local find = string.find
local format = string.format
local gsub = string.gsub
local lower = string.lower
local sub = string.sub
local tonumber = tonumber

local _M = {}

local function unhex(hex)
    return char(tonumber(hex, 16))
end

local function percent(c)
    return format("%%%02X", byte(c))
end

-- decode resolves every percent-encoding.
function _M.decode(path)
    return (gsub(path, "%%(%x%x)", unhex))
end

-- escape encodes whatever RFC 3986 does not allow in a path, so that a decoded path can stand in a request line again.
function _M.escape(path)
    return (gsub(path, "[^%w%-%._~!$&'%(%)%*%+,;=:@/]", percent))
end

-- split cuts a request target into its path and its query, the question mark included. A fragment is dropped.
function _M.split(target)
    local fragment = find(target, "#", 1, true)
    if fragment then
        target = sub(target, 1, fragment - 1)
    end
    local mark = find(target, "?", 1, true)
    if not mark then
        return target, ""
    end
    return sub(target, 1, mark - 1), sub(target, mark)
end

-- original is the path and the query of a request: the path as sent if decoding alone makes it uri (nginx's $uri), else
-- uri encoded anew, as after dot segments and doubled slashes, which nginx resolves.
function _M.original(target, uri)
    local path, query = _M.split(target)
    if path ~= uri and (not find(path, "%", 1, true) or _M.decode(path) ~= uri) then
        path = _M.escape(uri)
    elseif find(path, "[%z\1-\32\127-\255]") then
        path = gsub(path, "[%z\1-\32\127-\255]", percent)
    end
    return path, query
end

-- replace_prefix puts rewrite in the place of the prefix, or of the whole path where prefix is nil. It is nil where the
-- path does not begin with the prefix. The case is that of the route's match, which may ignore it.
function _M.replace_prefix(path, prefix, rewrite)
    if not prefix then
        return rewrite
    end
    local size = #prefix
    local begin = sub(path, 1, size)
    if begin == prefix or lower(begin) == lower(prefix) then
        return rewrite .. sub(path, size + 1)
    end
    return nil
end

-- rewritten is original with the prefix replaced, and query. Where the path as sent does not begin with the prefix,
-- because it is encoded in another way, the decoded one is tried. It is nil where that does not either.
function _M.rewritten(target, uri, prefix, rewrite)
    local path, query = _M.original(target, uri)
    local new = _M.replace_prefix(path, prefix, rewrite)
    if not new and prefix then
        local size = #prefix
        local begin = sub(uri, 1, size)
        if begin == prefix or lower(begin) == lower(prefix) then
            new = rewrite .. _M.escape(sub(uri, size + 1))
        end
    end
    return new, query, path
end

-- safe makes text fit for a request line: it begins with a slash and has no space, control character or fragment.
function _M.safe(path)
    if find(path, "[%z\1-\32#\127-\255]") then
        path = gsub(path, "[%z\1-\32#\127-\255]", percent)
    end
    if byte(path) ~= 47 then
        path = "/" .. path
    end
    return path
end

return _M
