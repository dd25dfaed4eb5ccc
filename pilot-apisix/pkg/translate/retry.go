// Copyright The pilot-apisix Authors
//
// Licensed under the Apache License, Version 2.0 (the "License");
// you may not use this file except in compliance with the License.
// You may obtain a copy of the License at
//
//     http://www.apache.org/licenses/LICENSE-2.0
//
// Unless required by applicable law or agreed to in writing, software
// distributed under the License is distributed on an "AS IS" BASIS,
// WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
// See the License for the specific language governing permissions and
// limitations under the License.

package translate

import (
	"slices"
	"strconv"
	"strings"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// retry limits the time of a route's requests and says when they are tried again, or is nil where Istio's defaults hold: then
// the upstream itself has them.
func (t *translator) retry(r *ir.Route) apisix.Plugin {
	if r.Timeout <= 0 && r.Retries == nil {
		return nil
	}
	out := &apisix.MeshRetry{}
	if r.Timeout > 0 {
		out.Timeout = seconds(r.Timeout)
		t.diagnose(fidelity.TimeoutStalledBody, r.Source, "%s", r.Timeout)
	}
	if p := r.Retries; p != nil {
		out.SetAttempts, out.Attempts = true, p.Attempts
		if p.PerTryTimeout > 0 {
			out.PerTryTimeout = seconds(p.PerTryTimeout)
		}
		out.RemoteLocalities = p.RemoteLocalities
		if p.Attempts > 0 {
			class, differ := retryClass(p)
			if class != apisix.RetryConnectFailure {
				out.Class = class
			}
			if len(differ) > 0 {
				t.diagnose(fidelity.RetryConditions, r.Source, "class %s: %s", class, strings.Join(differ, ", "))
			}
		}
	}
	return out
}

// retryClasses are in ascending order: each repeats whatever those before it do.
var retryClasses = []string{apisix.RetryConnectFailure, apisix.RetryReset, apisix.RetryGatewayError, apisix.Retry5xx}

// conditionClass is the class of each of Envoy's conditions that nginx can tell.
var conditionClass = map[string]string{
	"connect-failure":      apisix.RetryConnectFailure,
	"refused-stream":       apisix.RetryConnectFailure,
	"reset-before-request": apisix.RetryConnectFailure,
	"reset":                apisix.RetryReset,
	"gateway-error":        apisix.RetryGatewayError,
	"5xx":                  apisix.Retry5xx,
}

// defaultGRPC are the conditions of Istio's default policy that nginx cannot tell: a policy with them asks for nothing
// beyond the default, for which there is a diagnostic of its own.
var defaultGRPC = []string{"cancelled", "unavailable"}

// retryClass is the smallest class that has all conditions of p, and what is not carried or more than was asked for.
func retryClass(p *ir.Retries) (class string, differ []string) {
	best := 0
	add := func(class string) { best = max(best, slices.Index(retryClasses, class)) }
	for _, on := range p.On {
		class, known := conditionClass[on]
		switch {
		case known:
			add(class)
		case on == "retriable-status-codes", slices.Contains(defaultGRPC, on):
		default:
			differ = append(differ, on+" is not tried again")
		}
	}
	byCondition := best
	for _, status := range p.Statuses {
		switch status {
		case 502, 503, 504:
			add(apisix.RetryGatewayError)
		case 500:
			add(apisix.Retry5xx)
		default:
			differ = append(differ, strconv.Itoa(status)+" is not tried again")
		}
	}
	if best > byCondition {
		differ = append(differ, "failures of the class beside those asked for are tried again too")
	}
	return retryClasses[best], differ
}
