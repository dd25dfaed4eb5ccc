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

-- Operations on headers, in Envoy's order: every removal, then all values are evaluated, then those that overwrite are
-- set, then those that append are added. A value that comes out empty is not applied.

local concat = table.concat
local ipairs = ipairs
local type = type

local _M = {}

-- A name as HTTP has it. The colon of Envoy's pseudo headers is not in it: those are no headers to nginx.
local name = {type = "string", pattern = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"}

-- schema of one set of operations.
_M.schema = {
    type = "object",
    properties = {
        remove = {type = "array", items = name},
        values = {
            type = "array",
            items = {
                type = "object",
                properties = {
                    name = name,
                    value = {
                        oneOf = {
                            {type = "string"},
                            {
                                type = "array",
                                minItems = 1,
                                items = {
                                    oneOf = {
                                        {type = "string"},
                                        {
                                            type = "object",
                                            properties = {
                                                var = {type = "string", pattern = "^[a-z][a-zA-Z0-9_-]*$"},
                                            },
                                            required = {"var"},
                                            additionalProperties = false,
                                        },
                                    },
                                },
                            },
                        },
                    },
                    append = {type = "boolean"},
                },
                required = {"name", "value"},
                additionalProperties = false,
            },
        },
    },
    additionalProperties = false,
}

-- These read the request's body, which is not there to read in every phase, or are no text.
local function unreadable(var)
    return var:find("^post_arg") or var:find("^graphql_") or var == "cookie" or var == "resp_body"
end

-- check refuses what a JSON schema cannot say.
function _M.check(ops, is_request)
    for _, v in ipairs(ops and ops.values or {}) do
        if is_request and v.name:lower() == "host" then
            return false, "the host is not changed by header operations, but by authority"
        end
        if type(v.value) == "table" then
            for _, part in ipairs(v.value) do
                if type(part) == "table" and unreadable(part.var) then
                    return false, "the variable " .. part.var .. " cannot be used in a header"
                end
            end
        end
    end
    for _, n in ipairs(ops and ops.remove or {}) do
        if is_request and n:lower() == "host" then
            return false, "the header host cannot be removed"
        end
    end
    return true
end

-- plan is nil for no operations.
function _M.plan(ops)
    if not ops then
        return nil
    end
    local p = {remove = {}, names = {}, values = {}, overwrites = 0, dynamic = false}
    for i, n in ipairs(ops.remove or {}) do
        p.remove[i] = n
    end
    -- Overwriting values come first in the arrays, so that applying is one pass.
    for pass = 1, 2 do
        for _, v in ipairs(ops.values or {}) do
            if (pass == 2) == (v.append == true) then
                local n = #p.names + 1
                p.names[n] = v.name
                if type(v.value) == "string" then
                    p.values[n] = v.value
                else
                    local parts = {}
                    for i, part in ipairs(v.value) do
                        parts[i] = type(part) == "table" and {part.var} or part
                    end
                    p.values[n] = parts
                    p.dynamic = true
                end
            end
        end
        if pass == 1 then
            p.overwrites = #p.names
        end
    end
    if #p.remove == 0 and #p.names == 0 then
        return nil
    end
    return p
end

-- evaluate is the text of one value.
local function evaluate(value, vars)
    if type(value) == "string" then
        return value
    end
    local out = {}
    for i = 1, #value do
        local part = value[i]
        if type(part) == "table" then
            part = vars[part[1]]
            local kind = type(part)
            if kind ~= "string" and kind ~= "number" then
                part = ""
            end
        end
        out[i] = part
    end
    return concat(out)
end

-- apply runs a plan. target has remove(ctx, name), set(ctx, name, value) and add(ctx, name, value); vars is indexed by
-- the names of variables.
function _M.apply(plan, target, ctx, vars)
    local remove = plan.remove
    for i = 1, #remove do
        target.remove(ctx, remove[i])
    end
    local names, values = plan.names, plan.values
    if plan.dynamic then
        local evaluated = {}
        for i = 1, #names do
            evaluated[i] = evaluate(values[i], vars)
        end
        values = evaluated
    end
    local overwrites = plan.overwrites
    for i = 1, #names do
        local value = values[i]
        if value ~= "" then
            if i <= overwrites then
                target.set(ctx, names[i], value)
            else
                target.add(ctx, names[i], value)
            end
        end
    end
end

return _M
