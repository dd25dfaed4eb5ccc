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

-- Delays and aborts as Envoy's fault filter makes them. The percentages of APISIX's fault-injection are whole numbers, and
-- it knows no gRPC status.

local core = require("apisix.core")
local chance = require("apisix.mesh.chance")
local memo = require("apisix.mesh.memo")
local reply = require("apisix.mesh.reply")
local random = math.random
local sleep = core.utils.sleep

local percentage = {type = "number", minimum = 0, maximum = 100}
local schema = {
    type = "object",
    properties = {
        delay = {
            type = "object",
            properties = {
                -- in seconds
                duration = {type = "number", minimum = 0},
                percentage = percentage,
            },
            required = {"duration", "percentage"},
            additionalProperties = false,
        },
        abort = {
            type = "object",
            properties = {
                http_status = {type = "integer", minimum = 200, maximum = 599},
                grpc_status = {type = "integer", minimum = 0, maximum = 16},
                percentage = percentage,
            },
            required = {"percentage"},
            oneOf = {
                {required = {"http_status"}},
                {required = {"grpc_status"}},
            },
            additionalProperties = false,
        },
    },
    additionalProperties = false,
}

local _M = {
    version = 0.1,
    -- Before mesh-cors, as in Istio's chain of filters.
    priority = 4010,
    name = "mesh-fault",
    schema = schema,
}

function _M.check_schema(conf)
    return core.schema.check(schema, conf)
end

local plan_of = memo.new(function(conf)
    local delay, abort = conf.delay, conf.abort
    return {
        delay = delay and delay.duration > 0 and chance.threshold(delay.percentage) or 0,
        duration = delay and delay.duration,
        abort = abort and chance.threshold(abort.percentage) or 0,
        http_status = abort and abort.http_status,
        grpc_status = abort and abort.grpc_status,
    }
end)

function _M.rewrite(conf, ctx)
    local plan = plan_of(conf)
    if chance.hit(plan.delay, random) then
        sleep(plan.duration)
    end
    if chance.hit(plan.abort, random) then
        return reply.send(ctx, plan.http_status, "fault filter abort", plan.grpc_status)
    end
end

return _M
