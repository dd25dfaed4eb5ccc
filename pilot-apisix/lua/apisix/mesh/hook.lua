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

-- config.yaml's apisix.lua_module_hook. Some of APISIX's modules are ours in part. Its router for streams compares routes one by one, in
-- the order in which they came, with the address that nginx itself listens on; ours looks for what the client meant. Its router for
-- certificates does not know the mesh's. What it does not accept it tells nobody but the log. APISIX has to set itself up before any of its
-- modules is loaded, so each is replaced when it is asked for.

local package = package
local loadfile = loadfile
local assert = assert

local _M = {}

-- wrap has a module of ours change what a module of APISIX's is.
local function wrap(name, by)
    package.preload[name] = function()
        package.preload[name] = nil
        local path = assert(package.searchpath(name, package.path))
        local module = assert(loadfile(path))(name)
        require(by).install(module)
        return module
    end
end

wrap("apisix.ssl.router.radixtree_sni", "apisix.mesh.ssl_router")
wrap("apisix.core.config_etcd", "apisix.mesh.refused")
-- What is sent to servers goes through here, for HTTP and for streams.
wrap("apisix.balancer", "apisix.mesh.pool")
if ngx.config.subsystem == "stream" then
    wrap("apisix.stream.router.ip_port", "apisix.mesh.stream_match")
else
    wrap("apisix.upstream", "apisix.mesh.protocol")
end

return _M
