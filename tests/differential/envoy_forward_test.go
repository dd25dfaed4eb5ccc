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

package differential

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/simulate"
)

// forward is the way to the destinations (RouteEntryImplBase::finalizeRequestHeaders and its like for the response).
func (c *call) forward(r *route.Route) *answer {
	action := r.GetRoute()
	list := action.GetWeightedClusters().GetClusters()
	if len(list) == 0 {
		list = []*route.WeightedCluster_ClusterWeight{{Name: action.GetCluster()}}
	}
	a := newAnswer(forward)
	for _, d := range list {
		to := share{cluster: d.Name, weight: 1, played: true, mirrors: action.GetRequestMirrorPolicies()}
		if action.ClusterNotFoundResponseCode == route.RouteAction_INTERNAL_SERVER_ERROR {
			to.missing = http.StatusInternalServerError
		}
		if d.Weight != nil {
			to.weight = float64(d.Weight.Value)
		}
		m := message{c.method, c.host, c.path, c.sent()}
		own, ofRoute := parser{d.RequestHeadersToRemove, d.RequestHeadersToAdd}, parser{r.RequestHeadersToRemove, r.RequestHeadersToAdd}
		own.apply(m.headers, c.formatter(&m, nil))
		if h := d.GetHostRewriteLiteral(); h != "" {
			m.host = h
		}
		ofRoute.apply(m.headers, c.formatter(&m, nil))
		if h := action.GetHostRewriteLiteral(); h != "" {
			m.host = h
		}
		m.path = rewritten(r, c)
		to.values = map[aspect]string{
			path:            m.path,
			authority:       m.host,
			requestHeaders:  m.headers.String(),
			responseHeaders: c.response(r, d, &m).String(),
			retries:         retriesOf(action.GetRetryPolicy()),
		}
		if d := action.GetTimeout().AsDuration(); d > 0 {
			to.values[timeout] = d.String()
		}
		a.share = append(a.share, to)
	}
	return a
}

// response is a destination's response after the operations on its headers. It has every header that they touch.
func (c *call) response(r *route.Route, d *route.WeightedCluster_ClusterWeight, m *message) headerSet {
	own, ofRoute := parser{d.ResponseHeadersToRemove, d.ResponseHeadersToAdd}, parser{r.ResponseHeadersToRemove, r.ResponseHeadersToAdd}
	cors := corsOf(r)
	names := slices.Concat(own.names(), ofRoute.names(), cors.names(c))
	h := upstreamResponse(names)
	own.apply(h, c.formatter(m, h))
	ofRoute.apply(h, c.formatter(m, h))
	// The router comes before the filter on the way back.
	cors.response(c, h)
	return changed(h, names)
}

// mirrorsOf are the clusters that get a copy. One that does not exist gets none, nor does one for original destinations: a copy
// has no connection of a client's that could have one.
func (x *sides) mirrorsOf(list []*route.RouteAction_RequestMirrorPolicy, host string) string {
	var out []string
	for _, p := range list {
		if e := x.envoyEndpoints(p.Cluster); e != "" && e != originalDestination {
			out = append(out, p.Cluster+" "+percent(fraction(p.GetRuntimeFraction().GetDefaultValue()))+" "+shadowHost(host))
		}
	}
	return strings.Join(out, ", ")
}

// retriesOf is the number of further tries, the time of each, what is tried again and how.
func retriesOf(p *route.RetryPolicy) string {
	if p == nil {
		return "0"
	}
	var on []string
	statuses := map[int]struct{}{}
	for _, status := range p.RetriableStatusCodes {
		statuses[int(status)] = struct{}{}
	}
	for condition := range strings.SplitSeq(p.RetryOn, ",") {
		switch condition {
		case "retriable-4xx":
			statuses[http.StatusConflict] = struct{}{}
		case "cancelled", "unavailable", "refused-stream", "retriable-status-codes":
			// The first two are of gRPC, and told of in the documentation.
		default:
			on = append(on, condition)
		}
	}
	return retryText(&simulate.Retry{
		Attempts: int(p.GetNumRetries().GetValue()), On: on, Statuses: slices.Sorted(maps.Keys(statuses)), PerTryTimeout: p.GetPerTryTimeout().AsDuration(),
		Backoff: p.GetRetryBackOff().GetBaseInterval().AsDuration(), RemoteLocalities: p.GetRetryPriority() != nil,
		PreviousHosts: len(p.RetryHostPredicate) == 0,
	})
}

// retryText says what r does. What is part of something larger is left out.
func retryText(r *simulate.Retry) string {
	if r.Attempts == 0 {
		return "0"
	}
	on := slices.Sorted(slices.Values(r.On))
	without := func(large string, small ...string) {
		if slices.Contains(on, large) {
			on = slices.DeleteFunc(on, func(s string) bool { return slices.Contains(small, s) })
		}
	}
	without("5xx", "gateway-error", "reset", "reset-before-request", "connect-failure")
	without("gateway-error", "reset", "reset-before-request", "connect-failure")
	text := itoa(r.Attempts) + " on " + strings.Join(on, ",")
	for _, status := range r.Statuses {
		if status >= 500 && slices.Contains(on, "5xx") || status >= 502 && status <= 504 && slices.Contains(on, "gateway-error") {
			continue
		}
		text += " " + itoa(status)
	}
	text += " within " + r.PerTryTimeout.String()
	if r.Backoff > 0 {
		text += " after " + r.Backoff.String()
	}
	if r.RemoteLocalities {
		text += " in other localities"
	}
	if r.PreviousHosts {
		text += " anywhere"
	}
	return text
}
