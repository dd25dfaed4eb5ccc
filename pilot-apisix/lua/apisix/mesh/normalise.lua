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

-- Normalises the paths of requests as Envoy does for Istio's MeshConfig.pathNormalization, percent-encoded as they are. nginx's $uri is not that:
-- it is decoded, and its slashes are merged.

local byte = string.byte
local char = string.char
local concat = table.concat
local find = string.find
local format = string.format
local gsub = string.gsub
local sub = string.sub
local tonumber = tonumber

local _M = {}

local SLASH, BACKSLASH, DOT, PERCENT = 47, 92, 46, 37

-- What a path of Envoy's has only in its encoded form (kPathCharLookup of googleurl).
local ESCAPED = "[%z\1-\32\"#<>%?%^`{|}\127-\255]"
-- What is not encoded in any.
local UNRESERVED = "^[%w%-%._~]$"
-- What a path has that may have to change.
local SPECIAL = "[%z\1-\32\"#<>%?%^`{|}\127-\255%%\\]"

-- dot is how many characters at i are one, which may be encoded.
local function dot(path, i)
    if byte(path, i) == DOT then
        return 1
    end
    if byte(path, i) == PERCENT and find(path, "^2[eE]", i + 1) then
        return 3
    end
    return 0
end

local function slash_or_end(path, i)
    local c = byte(path, i)
    return c == nil or c == SLASH or c == BACKSLASH
end

-- canonical is url::CanonicalizePath of googleurl, which Envoy calls.
local function canonical(path)
    local out, n = {}, 0
    local i, size = 1, #path
    while i <= size do
        local c = byte(path, i)
        local dots = dot(path, i)
        if dots > 0 then
            local after = i + dots
            if out[n] ~= "/" then
                n = n + 1
                out[n] = "."
                i = after
            elseif slash_or_end(path, after) then
                i = after + 1
            else
                local second = dot(path, after)
                if second > 0 and slash_or_end(path, after + second) then
                    -- Back to the slash before, if there is one.
                    if n > 1 then
                        repeat
                            out[n] = nil
                            n = n - 1
                        until out[n] == "/"
                    end
                    i = after + second + 1
                else
                    n = n + 1
                    out[n] = "."
                    i = after
                end
            end
        elseif c == BACKSLASH then
            n = n + 1
            out[n] = "/"
            i = i + 1
        elseif c == PERCENT then
            local hex = sub(path, i + 1, i + 2)
            n = n + 1
            if not find(hex, "^%x%x$") then
                out[n] = "%"
                i = i + 1
            else
                local decoded = char(tonumber(hex, 16))
                out[n] = find(decoded, UNRESERVED) and decoded or "%" .. hex
                i = i + 3
            end
        else
            local text = char(c)
            n = n + 1
            out[n] = find(text, ESCAPED) and format("%%%02X", c) or text
            i = i + 1
        end
    end
    return concat(out, "", 1, n)
end

local MERGES = {MERGE_SLASHES = true, DECODE_AND_MERGE_SLASHES = true}

-- normalise is the path of a request target, its query with the question mark, and whether the path is another one than was sent. It is nil for
-- what Envoy does not take: no path, or one with a fragment.
function _M.normalise(target, mode)
    if find(target, "#", 1, true) then
        return nil
    end
    local mark = find(target, "?", 1, true)
    local sent, query = target, ""
    if mark then
        sent, query = sub(target, 1, mark - 1), sub(target, mark)
    end
    if sent == "" then
        -- Of a whole URI without a path.
        return "/", query, false
    end
    if byte(sent) ~= SLASH then
        return nil
    end
    if mode == "NONE" then
        return sent, query, false
    end
    local merges = MERGES[mode]
    if not find(sent, SPECIAL) and not find(sent, "/.", 1, true) and not (merges and find(sent, "//", 1, true)) then
        return sent, query, false
    end
    local path = sent
    if mode == "DECODE_AND_MERGE_SLASHES" then
        path = gsub(path, "%%2[fF]", "/")
        path = gsub(path, "%%5[cC]", "\\")
    end
    path = canonical(path)
    if merges then
        path = gsub(path, "//+", "/")
    end
    return path, query, path ~= sent
end

return _M
