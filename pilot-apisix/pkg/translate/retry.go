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
	"net/http"
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
		out.RemoteLocalities, out.PreviousHosts = p.RemoteLocalities, p.PreviousHosts
		if p.Attempts > 0 {
			var differ []string
			out.On, out.Statuses, differ = retryOn(p)
			if p.Backoff > 0 {
				out.Backoff = seconds(p.Backoff)
			}
			grpc := slices.ContainsFunc(r.Destinations, func(d ir.Destination) bool { return d.Status == 0 && t.cluster(d.Cluster).HTTP2 })
			if grpc && !p.DefaultOn {
				differ = append(differ, grpcDiffers(p.On, out)...)
			}
			if p.Attempts > mostComebacks {
				differ = append(differ, "after the eighth further try only tries without a response are repeated")
			}
			if len(differ) > 0 {
				t.diagnose(fidelity.RetryConditions, r.Source, "%s", strings.Join(differ, ", "))
			}
			if p.Backoff > 0 && grpc {
				t.diagnose(fidelity.RetryBackoff, r.Source, "")
			}
		}
	}
	return out
}

// mostComebacks is how often mesh-retry can repeat a response: nginx ends the redirects of a request.
const mostComebacks = 8

// retryOn are the conditions and statuses of mesh-retry that p means, and what is not carried.
func retryOn(p *ir.Retries) (on []string, statuses []int, differ []string) {
	on = []string{}
	for _, condition := range p.On {
		switch condition {
		case apisix.Retry5xx, apisix.RetryConnectFailure, apisix.RetryGatewayError, apisix.RetryReset, apisix.RetryResetBeforeRequest:
			on = append(on, condition)
		case "retriable-4xx":
			statuses = append(statuses, http.StatusConflict)
		case "retriable-status-codes":
		case "refused-stream", "http3-post-connect-failure":
			// A server of HTTP/1.1 refuses no streams, and nobody is spoken to in HTTP/3.
		default:
			if !slices.Contains(defaultGRPC, condition) {
				differ = append(differ, condition+" is not tried again")
			}
		}
	}
	slices.Sort(on)
	on = slices.Compact(on)
	if slices.Contains(on, apisix.Retry5xx) {
		// The smaller one says nothing more.
		on = slices.DeleteFunc(on, func(s string) bool { return s == apisix.RetryGatewayError })
	}
	var covered []int
	if class := apisix.RetryClass(on, nil); class != apisix.RetryClassReset {
		covered, _ = apisix.RetryClassStatuses(class)
	}
	for _, status := range p.Statuses {
		if status < apisix.LeastRetryStatus || status > apisix.MostRetryStatus {
			differ = append(differ, strconv.Itoa(status)+" is not tried again")
			continue
		}
		statuses = append(statuses, status)
	}
	slices.Sort(statuses)
	statuses = slices.DeleteFunc(slices.Compact(statuses), func(s int) bool { return slices.Contains(covered, s) })
	return on, statuses, differ
}

// grpcDiffers says what a policy asks for that a gRPC request does not get: nginx keeps no body of it, so that it is tried again only while
// no endpoint has seen it.
func grpcDiffers(asked []string, p *apisix.MeshRetry) []string {
	var out []string
	for _, condition := range defaultGRPC {
		if slices.Contains(asked, condition) {
			out = append(out, condition+" is not tried again")
		}
	}
	seen := slices.DeleteFunc(slices.Clone(p.On), func(s string) bool { return s == apisix.RetryConnectFailure || s == apisix.RetryResetBeforeRequest })
	for _, status := range p.Statuses {
		seen = append(seen, strconv.Itoa(status))
	}
	if len(seen) > 0 {
		out = append(out, "a gRPC request that an endpoint has seen is not tried again on "+strings.Join(seen, ", "))
	}
	return out
}

// defaultGRPC are the conditions of Istio's default policy that are nothing to HTTP. What becomes of them for gRPC is the same for all
// services, and documented.
var defaultGRPC = []string{"cancelled", "unavailable"}
