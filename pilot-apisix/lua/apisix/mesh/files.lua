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

-- Files of the proxy that an upstream names: certificates, keys and authorities, mounted into the workload. They are looked at again while
-- they are in use, because whoever mounts them replaces them in time.

local now = ngx.now
local open = io.open
local md5 = ngx.md5

local _M = {}

-- How long a file is taken to be as it was, in seconds.
local FRESH = 5

-- The first of these that there is has the authorities of the system, as for Istio's agent.
local SYSTEM = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
}

local function read(path)
    local file, err = open(path, "r")
    if not file then
        return nil, err
    end
    local text
    text, err = file:read("*a")
    file:close()
    return text, err
end

local known = {}

-- get is what parse makes of the text of a file, with a version of that text; or nil and why not. The same path is always asked for with the
-- same parse. A file that cannot be read any more stays what it was.
function _M.get(path, parse)
    local entry = known[path]
    local time = now()
    if entry and time - entry.time < FRESH then
        return entry.value, entry.version or entry.err
    end
    if not entry then
        entry = {}
        known[path] = entry
    end
    entry.time = time
    local text, err = read(path)
    if not text then
        entry.err = err or path .. ": it cannot be read"
        return entry.value, entry.version or entry.err
    end
    local version = md5(text)
    if version ~= entry.version then
        local value
        value, err = parse(text)
        if value then
            entry.value, entry.version, entry.err = value, version, nil
        else
            entry.err = path .. ": " .. (err or "it cannot be used")
        end
    end
    return entry.value, entry.version or entry.err
end

local system

-- system is the path of the system's authorities; nil where there are none.
function _M.system()
    for i = 1, #SYSTEM do
        if system then
            break
        end
        local file = open(SYSTEM[i], "r")
        if file then
            file:close()
            system = SYSTEM[i]
        end
    end
    return system
end

return _M
