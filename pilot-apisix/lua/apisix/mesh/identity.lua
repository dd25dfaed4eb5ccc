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

-- The certificate of the workload. The agent writes it into files that nobody but the proxy reads, and then says so with a new version in the
-- metadata of the plugin mesh-peer: what can be read at the agent's port has no key in it.

local core = require("apisix.core")
local plugin = require("apisix.plugin")
local ssl = require("ngx.ssl")
local open = io.open

local _M = {}

local current = {}

local function read(dir, name)
    local file, err = open(dir .. "/" .. name, "r")
    if not file then
        return nil, err
    end
    local text = file:read("*a")
    file:close()
    return text
end

local function directory()
    return core.table.try_read_attr(core.config.local_conf(), "plugin_attr", "mesh", "identity")
end

-- roots is the file with the roots of the mesh. Without one it is none that exists, so that nobody is trusted in their place.
function _M.roots()
    return (directory() or "") .. "/root-cert.pem"
end

local function load(dir)
    local parsed = {}
    for _, part in ipairs({
        {"cert", "cert-chain.pem", ssl.parse_pem_cert},
        {"key", "key.pem", ssl.parse_pem_priv_key},
        {"roots", "root-cert.pem", ssl.parse_pem_cert},
    }) do
        local text, err = read(dir, part[2])
        local value
        if text then
            value, err = part[3](text)
        end
        if not value then
            return nil, dir .. "/" .. part[2] .. ": " .. (err or "it cannot be read")
        end
        parsed[part[1]] = value
    end
    return parsed
end

-- get is the certificate, its key and the roots of the mesh as nginx takes them, with the version of the three; nil as long as there are none.
function _M.get()
    local metadata = plugin.plugin_metadata("mesh-peer")
    local version = metadata and metadata.value and metadata.value.version
    if not version then
        return current.identity, "the workload has no certificate yet"
    end
    if current.version == version then
        return current.identity, current.err
    end
    local dir = directory()
    local identity, err
    if dir then
        identity, err = load(dir)
    else
        err = "config.yaml says of no certificate (plugin_attr.mesh.identity)"
    end
    if identity then
        identity.version = version
        current = {version = version, identity = identity}
    else
        core.log.error("the workload's certificate cannot be used: ", err)
        -- The last one goes on.
        current = {version = version, identity = current.identity, err = err}
    end
    return current.identity, current.err
end

return _M
