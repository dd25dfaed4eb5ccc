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

-- Shares of requests, in millionths: the finest of Envoy's FractionalPercent, and what Istio's percentages become.

local floor = math.floor

local MILLION = 1000000

local _M = {}

-- threshold is how many of a million requests a percentage of 0 to 100 means.
function _M.threshold(percentage)
    return floor(percentage * (MILLION / 100) + 0.5)
end

-- hit says whether this request is one of them. random(m, n) is math.random's.
function _M.hit(threshold, random)
    if threshold >= MILLION then
        return true
    end
    return threshold > 0 and random(0, MILLION - 1) < threshold
end

-- weighted picks an index of weights, each with its share of total, or nil where total is 0.
function _M.weighted(weights, total, random)
    if total <= 0 then
        return nil
    end
    local left = random(1, total)
    for i = 1, #weights do
        left = left - weights[i]
        if left <= 0 then
            return i
        end
    end
    return nil
end

return _M
