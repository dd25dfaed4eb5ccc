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


-- Connections to servers are kept by destination. Those that come from another address than the proxy's own are kept apart:
-- iptables treats the two differently, so that one is no substitute for the other.

local balancer = require("ngx.balancer")
local ngx_var = ngx.var

local _M = {}

-- install wraps what APISIX's balancer calls.
function _M.install()
    local set_current_peer = balancer.set_current_peer
    function balancer.set_current_peer(host, port, opts)
        if opts and opts.pool then
            local source = ngx_var.upstream_source
            if source and source ~= "" then
                opts.pool = opts.pool .. "#" .. source
            end
        end
        return set_current_peer(host, port, opts)
    end
end

return _M
