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

-- What a server is spoken to in. A port that does not say, and a destination that nobody knows, are of HTTP/1.1 to the control plane; to Envoy
-- they are of what the client speaks. gRPC works in HTTP/2 only, so that calls are sent on as what they are.

local grpc = require("apisix.mesh.grpc")
local http_version = ngx.req.http_version

local OF_GRPC = {http = "grpc", https = "grpcs"}

local _M = {}

-- install wraps the function that gives a request its upstream.
function _M.install(upstream)
    local set_by_route = upstream.set_by_route
    function upstream.set_by_route(route, ctx)
        local code, err = set_by_route(route, ctx)
        local scheme = OF_GRPC[ctx.upstream_scheme]
        if not code and scheme and grpc.is_grpc(ctx.var.http_content_type) and http_version() == 2 then
            ctx.upstream_scheme = scheme
            ctx.var.upstream_scheme = scheme
        end
        return code, err
    end
end

return _M
