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

-- Decides who may send a request or make a connection: what the plugins mesh-rbac are configured with, as Envoy's RBAC filter would.
--
-- Rules are parted into what depends on the connection only and the rest. Of a connection is kept which rules are left to look at,
-- or that there is nothing left to decide.

local memo = require("apisix.mesh.memo")
local error = error
local find = string.find
local ipairs = ipairs
local pcall = pcall
local sub = string.sub
local type = type

local _M = {}

-- What does not change as long as a connection lives.
local OF_CONNECTION = {
    ["source.principal"] = true, ["source.ip"] = true, ["destination.ip"] = true, ["destination.port"] = true, ["connection.sni"] = true,
}

-- by_length has for each length the texts that long, so that many prefixes cost no more than one of each length.
local function by_length(texts)
    local lengths, sets = {}, {}
    for _, text in ipairs(texts) do
        local set = sets[#text]
        if not set then
            set = {}
            sets[#text] = set
            lengths[#lengths + 1] = #text
        end
        set[text] = true
    end
    return lengths, sets
end

local function set_of(list)
    local set = {}
    for _, v in ipairs(list) do
        set[v] = true
    end
    return set
end

-- glob says whether value is the parts, with at least as many characters between two of them as gaps says. The earliest place for a part is
-- never worse than a later one.
local function glob(g, value)
    local parts, gaps = g.parts, g.gaps
    local n = #parts
    local first = parts[1]
    if sub(value, 1, #first) ~= first then
        return false
    end
    if n == 1 then
        return value == first
    end
    local at = #first + 1
    for i = 2, n - 1 do
        local from, to = find(value, parts[i], at + gaps[i - 1], true)
        if not from then
            return false
        end
        at = to + 1
    end
    local last = parts[n]
    local start = #value - #last + 1
    return start >= at + gaps[n - 1] and sub(value, start) == last
end

local DOMAIN = "spiffe://"

local function domain(id)
    if sub(id, 1, #DOMAIN) ~= DOMAIN then
        return nil
    end
    local slash = find(id, "/", #DOMAIN + 1, true)
    return slash and sub(id, #DOMAIN + 1, slash - 1)
end

local function begins(value, texts)
    for _, text in ipairs(texts) do
        if sub(value, 1, #text) == text then
            return true
        end
    end
    return false
end

local function ends(value, texts)
    for _, text in ipairs(texts) do
        if #value >= #text and sub(value, #value - #text + 1) == text then
            return true
        end
    end
    return false
end

-- strings is a function that says whether a string is one of those in c. even_empty is what is present when it is empty.
local function strings(c, even_empty)
    local exact = set_of(c.exact or {})
    if not (c.present or c.prefix or c.suffix or c.glob or c.domain_prefix or c.domain_suffix) then
        return function(value)
            return exact[value] or false
        end
    end
    local prefix_lengths, prefixes = by_length(c.prefix or {})
    local suffix_lengths, suffixes = by_length(c.suffix or {})
    local globs = c.glob or {}
    local domain_prefix, domain_suffix = c.domain_prefix, c.domain_suffix
    local present = c.present
    return function(value)
        if exact[value] or present and (even_empty or value ~= "") then
            return true
        end
        local size = #value
        for i = 1, #prefix_lengths do
            local n = prefix_lengths[i]
            if n <= size and prefixes[n][sub(value, 1, n)] then
                return true
            end
        end
        for i = 1, #suffix_lengths do
            local n = suffix_lengths[i]
            if n <= size and suffixes[n][sub(value, size - n + 1)] then
                return true
            end
        end
        for i = 1, #globs do
            if glob(globs[i], value) then
                return true
            end
        end
        if domain_prefix or domain_suffix then
            local name = domain(value)
            return name ~= nil and (begins(name, domain_prefix or {}) or ends(name, domain_suffix or {}))
        end
        return false
    end
end

-- What Envoy's operators take (kLiteral of its uri_template_internal.cc).
local NOT_IN_TEMPLATE = "[^%w%-%._~%%!%$&'%(%)%+,;:@=/]"

-- template is a function that says whether a path is as the template: {*} is a segment, {**} anything at all.
local function template(text)
    local segments, tail = {}, nil
    local from = 2
    while true do
        local slash = find(text, "/", from, true)
        local segment = sub(text, from, slash and slash - 1)
        if segment == "{**}" then
            tail = slash and sub(text, slash) or ""
            break
        end
        segments[#segments + 1] = segment
        if not slash then
            break
        end
        from = slash + 1
    end
    local n = #segments
    return function(path)
        if sub(path, 1, 1) ~= "/" or find(path, NOT_IN_TEMPLATE) then
            return false
        end
        local at = 2
        for i = 1, n do
            local slash = find(path, "/", at, true)
            local segment = segments[i]
            if segment == "{*}" then
                if at > #path or slash == at then
                    return false
                end
            elseif sub(path, at, slash and slash - 1) ~= segment then
                return false
            end
            if not slash then
                return i == n and not tail
            end
            at = slash + 1
        end
        if not tail then
            -- There is a slash behind the last segment.
            return false
        end
        return #path - #tail + 1 >= at and sub(path, #path - #tail + 1) == tail
    end
end

local function paths(c)
    local is = strings(c)
    if not c.template then
        return is
    end
    local templates = {}
    for i, text in ipairs(c.template) do
        templates[i] = template(text)
    end
    return function(path)
        if is(path) then
            return true
        end
        for i = 1, #templates do
            if templates[i](path) then
                return true
            end
        end
        return false
    end
end

-- claims takes a string, or a list of which one is it.
local function claims(c)
    local is = strings(c)
    return function(value)
        if type(value) == "string" then
            return is(value)
        elseif type(value) == "table" then
            for _, v in ipairs(value) do
                if type(v) == "string" and is(v) then
                    return true
                end
            end
        end
        return false
    end
end

local function tokens(c)
    local list = {}
    for i, t in ipairs(c.token or {}) do
        list[i] = {issuer = strings(t.issuer), subject = strings(t.subject)}
    end
    return function(token)
        local iss, sub_claim = token.iss, token.sub
        if type(iss) ~= "string" or type(sub_claim) ~= "string" then
            return false
        end
        for i = 1, #list do
            if list[i].issuer(iss) and list[i].subject(sub_claim) then
                return true
            end
        end
        return false
    end
end

-- claim_at is the claim of a token at the end of a path of names.
local function claim_at(token, path)
    for i = 1, #path do
        if type(token) ~= "table" then
            return nil
        end
        token = token[path[i]]
    end
    return token
end

local function test(c, new_cidrs)
    local attribute = c.attribute
    if c.cidr then
        local cidrs = new_cidrs(c.cidr)
        return function(value)
            return cidrs:match(value) and true or false
        end
    elseif attribute == "destination.port" then
        local ports = set_of(c.port or {})
        return function(value)
            return ports[value] or false
        end
    elseif attribute == "path" then
        return paths(c)
    elseif attribute == "request.auth.claims" then
        local is, path = claims(c), c.claim or {}
        return function(token)
            return is(claim_at(token, path))
        end
    elseif attribute == "request.auth.principal" then
        return tokens(c)
    end
    return strings(c, attribute == "request.headers" or attribute == "host" or attribute == "method")
end

local function condition(c, sources, new_cidrs)
    local get = sources[c.attribute]
    if not get then
        error("the attribute " .. c.attribute .. " is not known here")
    end
    return {get = get, header = c.header, test = test(c, new_cidrs), negated = c["not"] or false, of_connection = OF_CONNECTION[c.attribute]}
end

-- A group holds when one of its alternatives does, which are conjunctions.
local function add_groups(rule, alternatives, sources, new_cidrs)
    if not alternatives or #alternatives == 0 then
        return
    end
    local group, of_connection = {}, true
    for i, all in ipairs(alternatives) do
        group[i] = {}
        for j, c in ipairs(all) do
            group[i][j] = condition(c, sources, new_cidrs)
            of_connection = of_connection and group[i][j].of_connection
        end
    end
    if #group > 1 then
        local list = of_connection and rule.connection or rule.request
        list[#list + 1] = group
        return
    end
    -- One conjunction is taken apart.
    for _, c in ipairs(group[1]) do
        local list = c.of_connection and rule.connection or rule.request
        list[#list + 1] = {{c}}
    end
end

local function rules(list, sources, new_cidrs)
    local out = {}
    for i, r in ipairs(list) do
        local rule = {name = r.name, connection = {}, request = {}}
        add_groups(rule, r.from, sources, new_cidrs)
        add_groups(rule, r.to, sources, new_cidrs)
        out[i] = rule
    end
    return out
end

-- plan is made once of a configuration. sources has for each attribute a function (ctx, header) -> value, which is nil where there is
-- none; it raises an error where it cannot be told, and then nobody may be let in. new_cidrs is resty.ipmatcher's new.
function _M.plan(conf, sources, new_cidrs)
    return {
        deny = rules(conf.deny or {}, sources, new_cidrs),
        allow = conf.allow and rules(conf.allow, sources, new_cidrs),
    }
end

-- compiler is what the plugins mesh-rbac of HTTP and of streams do with configurations: plan, once for each, and a check whether that can be
-- done, which is true, or false and why not.
function _M.compiler(sources, new_cidrs)
    local function plan(conf)
        return _M.plan(conf, sources, new_cidrs)
    end
    local function check(conf)
        local ok, err = pcall(plan, conf)
        return ok, not ok and err or nil
    end
    return memo.new(plan), check
end

local function hold(groups, ctx)
    for i = 1, #groups do
        local group = groups[i]
        local any = false
        for j = 1, #group do
            local all = group[j]
            any = true
            for k = 1, #all do
                local c = all[k]
                local value = c.get(ctx, c.header)
                if (value ~= nil and c.test(value)) == c.negated then
                    any = false
                    break
                end
            end
            if any then
                break
            end
        end
        if not any then
            return false
        end
    end
    return true
end

-- left has the rules that may take a request of the connection; the second result is one that takes every one.
local function left(list, ctx)
    local out = {}
    for i = 1, #list do
        local rule = list[i]
        if hold(rule.connection, ctx) then
            if #rule.request == 0 then
                return out, rule
            end
            out[#out + 1] = rule
        end
    end
    return out
end

-- connection is what is decided of a connection, for request to go on with.
function _M.connection(plan, ctx)
    local found = {plan = plan}
    local always
    found.deny, always = left(plan.deny, ctx)
    if always then
        found.refused, found.rule = true, always.name
        return found
    end
    if plan.allow then
        found.allow, always = left(plan.allow, ctx)
        if always then
            found.allow = nil
        elseif #found.allow == 0 then
            found.refused = true
        end
    end
    return found
end

-- request is true for one that may pass; or false and the name of the rule that refuses it, or nil when none allows it.
function _M.request(found, ctx)
    if found.refused then
        return false, found.rule
    end
    local deny = found.deny
    for i = 1, #deny do
        if hold(deny[i].request, ctx) then
            return false, deny[i].name
        end
    end
    local allow = found.allow
    if not allow then
        return true
    end
    for i = 1, #allow do
        if hold(allow[i].request, ctx) then
            return true
        end
    end
    return false
end

local set = {type = "array", items = {type = "string"}}
local strings_of = {
    domain_prefix = set, domain_suffix = set, exact = set, prefix = set, suffix = set,
    glob = {
        type = "array",
        items = {
            type = "object",
            properties = {parts = {type = "array", minItems = 1, items = {type = "string"}}, gaps = {type = "array", items = {type = "integer", minimum = 0}}},
            required = {"parts", "gaps"},
            additionalProperties = false,
        },
    },
    present = {type = "boolean"},
}

local function with_strings(properties)
    for k, v in pairs(strings_of) do
        properties[k] = v
    end
    return properties
end

-- The same members as a condition's.
local one_string = {type = "object"}
local sides = {
    type = "array", minItems = 1,
    items = {
        type = "array", minItems = 1,
        items = {
            type = "object",
            properties = with_strings({
                attribute = {type = "string", minLength = 1},
                cidr = {type = "array", minItems = 1, items = {type = "string"}},
                claim = set,
                header = {type = "string", minLength = 1},
                ["not"] = {type = "boolean"},
                port = {type = "array", items = {type = "integer", minimum = 0, maximum = 65535}},
                template = {type = "array", items = {type = "string", pattern = "^/"}},
                token = {
                    type = "array",
                    items = {type = "object", properties = {issuer = one_string, subject = one_string}, required = {"issuer", "subject"}, additionalProperties = false},
                },
            }),
            required = {"attribute"},
            additionalProperties = false,
        },
    },
}
local list_of_rules = {
    type = "array",
    items = {
        type = "object",
        properties = {name = {type = "string"}, from = sides, to = sides},
        additionalProperties = false,
    },
}

-- schema is that of either plugin.
_M.schema = {
    type = "object",
    properties = {
        -- A request that a rule takes is refused.
        deny = list_of_rules,
        -- A request that no rule takes is refused, unless there is no list.
        allow = list_of_rules,
        -- Of MeshConfig, what is done to paths before they are compared and forwarded.
        normalization = {type = "string", enum = {"NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"}, default = "BASE"},
        -- Requests are forwarded by HTTP/2, with the path that was sent and no other.
        http2 = {type = "boolean"},
    },
    additionalProperties = false,
}

return _M
