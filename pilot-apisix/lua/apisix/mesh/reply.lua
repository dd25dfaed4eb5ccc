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

-- An answer of the proxy's own: Envoy's local reply. To a gRPC request it is a response of trailers only.

local core = require("apisix.core")
local grpc = require("apisix.mesh.grpc")
local ngx = ngx
local get_method = ngx.req.get_method

local _M = {}

-- send ends the request. status may be nil where grpc_status is not; body may be nil. location is for redirects.
function _M.send(ctx, status, body, grpc_status, location)
    local header = ngx.header
    local head = get_method() == "HEAD"
    body = body or ""
    core.response.set_response_source(ctx, "apisix")
    if location then
        header["Location"] = location
    end
    if grpc.is_grpc(ctx.var.http_content_type) then
        ngx.status = 200
        header["Content-Type"] = "application/grpc"
        header["grpc-status"] = grpc_status or grpc.from_http(status)
        if body ~= "" and not head then
            header["grpc-message"] = grpc.message(body)
        end
        -- It makes nginx end the HTTP/2 stream with the headers, without which they would be no trailers.
        header["Content-Length"] = 0
        body = ""
    else
        status = status or grpc.to_http(grpc_status)
        ngx.status = status
        if status ~= 204 and status ~= 304 then
            header["Content-Length"] = #body
        end
        -- Without a body there is no type, nor nginx's default.
        header["Content-Type"] = body ~= "" and "text/plain" or nil
        if head then
            body = ""
        end
    end
    -- Printing sends the headers, so that nginx puts no page of its own in the place of an empty body.
    ngx.print(body)
    -- The status is out. With some others than 200, such as 408, nginx would close the connection here.
    return ngx.exit(200)
end

return _M
