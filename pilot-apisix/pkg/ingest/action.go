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

package ingest

import (
	"net/http"

	networking "istio.io/api/networking/v1alpha3"
	istioroute "istio.io/istio/pilot/pkg/networking/core/route"

	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// action fills in what happens to the requests of a rule (TranslateRoute): an answer of the proxy's own, or destinations and
// what is done on the way there.
func (r *routeBuilder) action(route *ir.Route, rule *networking.HTTPRoute, src ir.Source) {
	var authority string
	route.Headers, authority = r.headers(rule.Headers, src.At("headers"))
	route.Fault = r.fault(rule.Fault, src.At("fault"))
	route.CORS = cors(rule.CorsPolicy)
	switch {
	case rule.Redirect != nil:
		r.redirect(route, rule.Redirect, src.At("redirect"))
	case rule.DirectResponse != nil:
		route.DirectResponse = directResponse(rule.DirectResponse)
	default:
		r.forward(route, rule, authority, src)
	}
}

// forward fills in the way to the destinations (applyHTTPRouteDestination). Authority is what the rule's header operations
// make of the host.
func (r *routeBuilder) forward(route *ir.Route, rule *networking.HTTPRoute, authority string, src ir.Source) {
	if rule.Timeout != nil {
		route.Timeout = rule.Timeout.AsDuration()
	}
	route.Retries = r.retries(rule.Retries, r.hashed(rule.Route))
	route.Rewrite = r.rewrite(rule.Rewrite, &route.Match)
	if route.Rewrite.Authority == "" {
		route.Rewrite.Authority = authority
	}
	r.mirrors(route, rule, src)
	if len(rule.Route) == 1 {
		r.destination(route, rule.Route[0], src)
	} else {
		r.weightedDestinations(route, rule.Route, src)
	}
	if *route.Rewrite == (ir.Rewrite{}) {
		route.Rewrite = nil
	}
	if len(route.Destinations) == 0 && route.DirectResponse == nil {
		route.DirectResponse = &ir.DirectResponse{Status: http.StatusServiceUnavailable}
	}
}

// directResponse reads the answer of a rule (ApplyDirectResponse).
func directResponse(d *networking.HTTPDirectResponse) *ir.DirectResponse {
	out := &ir.DirectResponse{Status: int(d.Status)}
	switch body := d.GetBody().GetSpecifier().(type) {
	case *networking.HTTPBody_String_:
		out.Body = []byte(body.String_)
	case *networking.HTTPBody_Bytes:
		out.Body = body.Bytes
	}
	return out
}

// hashed says that a lone destination chooses endpoints by a key.
func (r *routeBuilder) hashed(list []*networking.HTTPRouteDestination) bool {
	if len(list) != 1 || list[0].GetDestination() == nil {
		return false
	}
	hash, _ := istioroute.HashForHTTPDestination(r.in.Push, r.in.Proxy, list[0])
	return hash != nil
}
