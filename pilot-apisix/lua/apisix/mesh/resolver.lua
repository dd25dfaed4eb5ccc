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

-- The one resolver of a worker process, which asks whom APISIX asks, and the nodes that stand for names.

local core = require("apisix.core")
local names = require("apisix.mesh.lb.names")
local ngx = ngx
local find = string.find
local get_phase = ngx.get_phase
local ipairs = ipairs
local pairs = pairs
local pcall = pcall
local sub = string.sub
local timer_at = ngx.timer.at

local _M = {}

-- The phases in which something can be waited for.
local WAITING = {access = true, content = true, preread = true, rewrite = true, timer = true}

-- waits says that now is such a phase.
function _M.waits()
    return WAITING[get_phase()] or false
end

local function query(name)
    local done, records, err = pcall(core.utils.dns_parse, name, core.dns_client.RETURN_ALL)
    if not done then
        return nil, records
    end
    return records, err
end

local function after(seconds, f, ...)
    local function run(premature, ...)
        if not premature then
            f(...)
        end
    end
    local ok, err = timer_at(seconds, run, ...)
    if not ok then
        core.log.error("a DNS name is not looked up again: ", err)
    end
    return ok
end

local known = names.new({query = query, after = after, warn = core.log.warn})

-- get is what names.get returns.
function _M.get(name, wait, refresh)
    return known:get(name, wait, refresh)
end

-- plain is an address as it stands in front of a port.
local function plain(address)
    if find(address, ":", 1, true) and sub(address, 1, 1) ~= "[" then
        return "[" .. address .. "]"
    end
    return address
end

_M.plain = plain

-- expand has a node for each address in the place of those that stand for names, and the names. Without any of those it is nodes
-- itself, and nil. conf is discovery_args.mesh of their upstream.
function _M.expand(nodes, conf, wait)
    local one = conf.dns == "one"
    local list, held
    for i, node in ipairs(nodes) do
        local meta = node.metadata
        local text = meta and meta.dns
        if text and not list then
            list, held = {}, {}
            for j = 1, i - 1 do
                list[j] = nodes[j]
            end
        end
        if text then
            -- Its twin, which has no weight, is there for APISIX only.
            if node.weight > 0 then
                local name = known:get(text, wait, conf.dns_refresh)
                held[#held + 1] = name
                for _, address in ipairs(one and {name.first} or name.all or {}) do
                    local copy = {}
                    for k, v in pairs(node) do
                        copy[k] = v
                    end
                    copy.host = plain(address)
                    list[#list + 1] = copy
                end
            end
        elseif list then
            list[#list + 1] = node
        end
    end
    return list or nodes, held
end

return _M
