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

-- Copies of requests to other upstreams, as Envoy's request_mirror_policies: sent and forgotten. APISIX's proxy-mirror
-- knows one static host, and waits for it before it ends the request.
--
-- A copy is never what delays or fails a request: it is sent by a timer, and dropped where it cannot be made.

local core = require("apisix.core")
local apisix_ssl = require("apisix.ssl")
local balancer = require("apisix.balancer.mesh")
local chance = require("apisix.mesh.chance")
local grpc = require("apisix.mesh.grpc")
local memo = require("apisix.mesh.memo")
local hop = require("apisix.mesh.mirror")
local path = require("apisix.mesh.path")
local shadow = require("apisix.mesh.shadow")
local upstream = require("apisix.upstream")
local id_schema = require("apisix.schema_def").id_schema
local http = require("resty.http")
local ngx = ngx
local get_phase = ngx.get_phase
local io_open = io.open
local ipairs = ipairs
local now = ngx.now
local pcall = pcall
local random = math.random
local req = ngx.req
local timer_at = ngx.timer.at
local tonumber = tonumber

-- How many copies a worker has under way at most; what comes beyond is not copied.
local MAX_PENDING = 256
-- The largest body that is copied, in bytes; a request with a larger one is not.
local MAX_BODY = 1024 * 1024
-- How much of a response is read, so that the connection can be used again.
local MAX_RESPONSE = 1024 * 1024
-- In seconds, where the upstream says nothing else.
local TIMEOUT = 15
local LOG_INTERVAL = 10
local KEEPALIVE_MS, KEEPALIVE_POOL = 30000, 32

local schema = {
    type = "object",
    properties = {
        mirrors = {
            type = "array",
            minItems = 1,
            items = {
                type = "object",
                properties = {
                    upstream_id = id_schema,
                    percentage = {type = "number", minimum = 0, maximum = 100, default = 100},
                },
                required = {"upstream_id"},
                additionalProperties = false,
            },
        },
    },
    required = {"mirrors"},
    additionalProperties = false,
}

local _M = {
    version = 0.1,
    priority = 10,
    name = "mesh-mirror",
    schema = schema,
}

function _M.check_schema(conf)
    return core.schema.check(schema, conf)
end

local plan_of = memo.new(function(conf)
    local plan = {}
    for i, m in ipairs(conf.mirrors) do
        plan[i] = {id = m.upstream_id, threshold = chance.threshold(m.percentage or 100)}
    end
    return plan
end)

local pending = 0

-- complain logs that a copy was not made, as no more than one line in a while: a mirror that is down fails each of them.
local quiet_until = 0

local function complain(id, why)
    local t = now()
    if t >= quiet_until then
        quiet_until = t + LOG_INTERVAL
        core.log.warn("no copy to the mirror, upstream ", id, ", and no word on further ones for ", LOG_INTERVAL, "s: ", why)
    end
end

-- connect gives a connection to the node of a job.
local function connect(httpc, job)
    if job.hop then
        return httpc:connect({host = job.hop, pool = "mesh-mirror"})
    end
    if job.node.unix then
        return httpc:connect({host = "unix:" .. job.node.unix})
    end
    local options = {
        scheme = job.scheme,
        host = job.node.host,
        port = job.node.port,
        ssl_server_name = job.sni,
        -- As APISIX's own requests to upstreams: nginx does not verify them either.
        ssl_verify = false,
    }
    if job.client_cert then
        local cert, err = apisix_ssl.fetch_cert(job.sni, job.client_cert)
        if not cert then
            return nil, err
        end
        local key
        key, err = apisix_ssl.fetch_pkey(job.sni, job.client_key)
        if not key then
            return nil, err
        end
        options.ssl_client_cert, options.ssl_client_priv_key = cert, key
    end
    return httpc:connect(options)
end

local function exchange(job)
    local httpc, err = http.new()
    if not httpc then
        return nil, err
    end
    local timeout = job.timeout
    httpc:set_timeouts(timeout.connect * 1000, timeout.send * 1000, timeout.read * 1000)
    local ok
    ok, err = connect(httpc, job)
    if not ok then
        return nil, err
    end
    local res
    res, err = httpc:request(job)
    if not res then
        httpc:close()
        return nil, err
    end
    local left = MAX_RESPONSE
    while res.has_body and left > 0 do
        local chunk
        chunk, err = res.body_reader(65536)
        if err then
            httpc:close()
            return nil, err
        end
        if not chunk then
            return httpc:set_keepalive(KEEPALIVE_MS, KEEPALIVE_POOL)
        end
        left = left - #chunk
    end
    if left <= 0 then
        return httpc:close()
    end
    return httpc:set_keepalive(KEEPALIVE_MS, KEEPALIVE_POOL)
end

local function send(premature, job)
    if not premature then
        local ran, ok, err = pcall(exchange, job)
        if not ran or not ok then
            complain(job.upstream_id, ran and err or ok)
        end
    end
    pending = pending - 1
end

-- body_of is the request's body, or nil for none; false where it cannot be copied.
local function body_of(var)
    local length = tonumber(var.http_content_length)
    local chunked = var.http_transfer_encoding ~= nil
    if not length and not chunked then
        local method = req.get_method()
        -- Over HTTP/2 a body needs no header, and without one it cannot be read here.
        if req.http_version() >= 2 and method ~= "GET" and method ~= "HEAD" then
            return false
        end
        return nil
    end
    if length == 0 then
        return nil
    end
    if length and length > MAX_BODY or chunked and req.http_version() >= 2 then
        return false
    end
    req.read_body()
    local body = req.get_body_data()
    if body then
        return #body <= MAX_BODY and body
    end
    local name = req.get_body_file()
    if not name then
        return nil
    end
    local file = io_open(name, "rb")
    if not file then
        return false
    end
    body = file:read(MAX_BODY + 1)
    file:close()
    return body and #body <= MAX_BODY and body
end

-- template_of is what all copies of a request have in common, or nil where it cannot be copied.
local function template_of(var)
    local body = body_of(var)
    if body == false then
        return nil
    end
    local target = var.upstream_uri
    local where, query
    if target and target ~= "" then
        where, query = path.split(target)
    else
        where, query = path.original(var.real_request_uri, var.uri)
        where = path.safe(where)
    end
    local headers = shadow.headers_of(req.get_headers(0, true))
    headers["Host"] = shadow.host_of(var.upstream_host or var.http_host or "")
    headers["X-Forwarded-For"] = var.proxy_add_x_forwarded_for
    headers["X-Real-IP"] = var.remote_addr
    return {method = req.get_method(), path = where, query = query, headers = headers, body = body}
end

-- job_for is what is to be done for an upstream, without the request; nil where there is nobody to send to, with a reason to complain of.
local function job_for(id)
    local up = upstream.get_by_id(id)
    if not up then
        return nil
    end
    local job = {upstream_id = id, timeout = up.timeout or {connect = TIMEOUT, send = TIMEOUT, read = TIMEOUT}}
    if hop.needed(up) then
        job.hop = hop.socket()
        if not job.hop then
            return nil, "config.yaml says of no way to it that is secured (plugin_attr.mesh.mirror)"
        end
        return up.nodes and #up.nodes > 0 and job or nil
    end
    local node
    if up.type == "mesh" then
        node = balancer.pick(up)
    elseif up.nodes then
        node = shadow.pick(up.nodes, random)
    end
    if not node then
        return nil
    end
    job.scheme = up.scheme == "https" and "https" or "http"
    job.node = {host = node.host, port = node.port or (job.scheme == "https" and 443 or 80), unix = node.unix}
    job.client_cert, job.client_key = up.tls and up.tls.client_cert, up.tls and up.tls.client_key
    return job
end

local function mirror(plan, ctx)
    local var = ctx.var
    if var.http_upgrade or grpc.is_grpc(var.http_content_type) then
        return
    end
    local template
    for i = 1, #plan do
        local m = plan[i]
        if chance.hit(m.threshold, random) then
            if pending >= MAX_PENDING then
                complain(m.id, "too many are under way")
                return
            end
            local job, why = job_for(m.id)
            if why then
                complain(m.id, why)
            end
            if job then
                template = template or template_of(var)
                if not template then
                    return
                end
                local host = template.headers["Host"]
                job.method, job.path, job.query = template.method, template.path, template.query
                job.headers, job.body = template.headers, template.body
                if job.hop then
                    job.headers = core.table.clone(template.headers)
                    job.headers[hop.HEADER] = m.id
                elseif job.scheme == "https" then
                    job.sni = var.upstream_host or host
                end
                pending = pending + 1
                local ok, err = timer_at(0, send, job)
                if not ok then
                    pending = pending - 1
                    complain(m.id, err)
                end
            end
        end
    end
end

-- It runs where the request is complete as the upstream will get it; and again before every further try, not to be copied
-- once more.
function _M.before_proxy(conf, ctx)
    if get_phase() == "balancer" then
        return
    end
    local ok, err = pcall(mirror, plan_of(conf), ctx)
    if not ok then
        core.log.error("a request is not mirrored: ", err)
    end
end

return _M
