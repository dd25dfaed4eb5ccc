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

-- config.yaml's apisix.lua_module_hook. APISIX's router for streams compares routes one by one, in the order in which they
-- came, with the address that nginx itself listens on. Ours takes its place in the stream subsystem, and looks for what the
-- client meant. APISIX has to set itself up before any of its modules is loaded, so the router is replaced when it is asked for.
-- For HTTP it keeps connections apart that come from different addresses.

local package = package
local loadfile = loadfile
local assert = assert

local _M = {}

local ROUTER = "apisix.stream.router.ip_port"

if ngx.config.subsystem == "stream" then
    package.preload[ROUTER] = function(name)
        package.preload[name] = nil
        local path = assert(package.searchpath(name, package.path))
        local router = assert(loadfile(path))(name)
        require("apisix.mesh.stream_match").install(router)
        return router
    end
else
    require("apisix.mesh.pool").install()
end

return _M
