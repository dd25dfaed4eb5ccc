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

-- Where a redirect leads to: Envoy's RedirectEntry::newUri.

local byte = string.byte
local find = string.find
local match = string.match
local path = require("apisix.mesh.path")

local _M = {}

-- plan is a configuration with everything worked out that does not depend on the request.
function _M.plan(conf)
    local p = {
        scheme = conf.scheme,
        authority = conf.authority,
        port = conf.port and ":" .. conf.port or "",
    }
    if conf.path then
        p.path = byte(conf.path) == 47 and conf.path or "/" .. conf.path
        p.path_has_query = find(conf.path, "?", 1, true) ~= nil
    elseif conf.prefix_rewrite then
        p.prefix = conf.prefix_rewrite.prefix
        p.rewrite = conf.prefix_rewrite.rewrite
    end
    return p
end

-- host_of is the request's host without a port that would no longer fit: where another port is configured, and where the
-- scheme changes and the port was the old scheme's own.
function _M.host_of(host, request_scheme, new_scheme, new_port)
    local name, port
    if byte(host) == 91 then -- an IPv6 address in brackets
        name, port = match(host, "^(.*%])(:[^%]]*)$")
    else
        name, port = match(host, "^(.*)(:[^:]*)$")
    end
    if not name then
        return host
    end
    if new_port ~= ""
        or new_scheme ~= request_scheme
            and (request_scheme == "https" and port == ":443" or request_scheme == "http" and port == ":80")
    then
        return name
    end
    return host
end

-- new_uri is the value of Location. scheme and host are the request's, target what it asked for (nginx's $request_uri
-- as sent), uri nginx's $uri. Without a host it is a path, which is as good to the client.
function _M.new_uri(plan, scheme, host, target, uri)
    local new_scheme = plan.scheme or scheme
    local where
    if plan.path then
        local _, query = path.split(target)
        where = plan.path_has_query and plan.path or plan.path .. query
    else
        local old, query
        if plan.rewrite and plan.rewrite ~= "" then
            local new, q, p = path.rewritten(target, uri, plan.prefix, plan.rewrite)
            old, query = new or p, q
        else
            old, query = path.original(target, uri)
        end
        where = path.safe(old) .. query
    end
    local authority = plan.authority or _M.host_of(host, scheme, new_scheme, plan.port)
    if authority == "" then
        return where
    end
    return new_scheme .. "://" .. authority .. plan.port .. where
end

return _M
