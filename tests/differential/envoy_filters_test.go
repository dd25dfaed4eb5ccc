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
	"net/http"
	"strings"
	"time"

	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	faultv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"

	"istio.io/istio/pkg/wellknown"
)

// fraction is a share in percent.
func fraction(p *typev3.FractionalPercent) float64 {
	if p == nil {
		return 0
	}
	n := float64(p.Numerator)
	switch p.Denominator {
	case typev3.FractionalPercent_TEN_THOUSAND:
		n /= 100
	case typev3.FractionalPercent_MILLION:
		n /= 10000
	}
	return min(n, 100)
}

// faults are what Envoy's fault filter does to a share of the requests.
type faults struct {
	delay             time.Duration
	delayed           float64
	status            int
	isGRPC            bool
	abortedPercentage float64
}

func faultOf(r *route.Route) *faults {
	any := r.GetTypedPerFilterConfig()[wellknown.Fault]
	f := &faultv3.HTTPFault{}
	if any == nil || any.UnmarshalTo(f) != nil {
		return nil
	}
	out := &faults{delay: f.GetDelay().GetFixedDelay().AsDuration(), delayed: fraction(f.GetDelay().GetPercentage())}
	if a := f.GetAbort(); a != nil {
		out.abortedPercentage = fraction(a.GetPercentage())
		out.status = int(a.GetHttpStatus())
		if g, ok := a.GetErrorType().(*faultv3.FaultAbort_GrpcStatus); ok {
			out.status, out.isGRPC = int(g.GrpcStatus), true
		}
	}
	return out
}

// text has the delay, and the abort unless it is certain.
func (f *faults) text(c *call) string {
	if f == nil {
		return ""
	}
	var parts []string
	if f.delayed > 0 && f.delay > 0 {
		parts = append(parts, "delay "+f.delay.String()+" "+percent(f.delayed))
	}
	if f.abortedPercentage > 0 && f.abortedPercentage < 100 {
		parts = append(parts, "abort "+c.abort(f).aspects[outcome]+" "+percent(f.abortedPercentage))
	}
	return strings.Join(parts, ", ")
}

const abortBody = "fault filter abort"

// aborted is the answer to a request that is certainly aborted, or nil.
func (c *call) aborted(f *faults) *answer {
	if f == nil || f.abortedPercentage < 100 {
		return nil
	}
	return c.abort(f)
}

// abort is the answer to an aborted request.
func (c *call) abort(f *faults) *answer {
	switch {
	case !f.isGRPC:
		return c.localReply(f.status, abortBody)
	case c.grpc():
		return c.grpcReply(f.status, abortBody)
	}
	return c.localReply(httpStatus(f.status), abortBody)
}

// httpStatus follows Grpc::Utility::grpcToHttpStatus.
func httpStatus(code int) int {
	switch code {
	case 0:
		return http.StatusOK
	case 1:
		return 499
	case 3, 9, 11:
		return http.StatusBadRequest
	case 4:
		return http.StatusGatewayTimeout
	case 5:
		return http.StatusNotFound
	case 6, 10:
		return http.StatusConflict
	case 7:
		return http.StatusForbidden
	case 8:
		return http.StatusTooManyRequests
	case 12:
		return http.StatusNotImplemented
	case 14:
		return http.StatusServiceUnavailable
	case 16:
		return http.StatusUnauthorized
	}
	return http.StatusInternalServerError
}

// corsPolicy is Envoy's.
type corsPolicy struct{ *corsv3.CorsPolicy }

func corsOf(r *route.Route) *corsPolicy {
	any := r.GetTypedPerFilterConfig()[wellknown.CORS]
	p := &corsv3.CorsPolicy{}
	if any == nil || any.UnmarshalTo(p) != nil {
		return nil
	}
	return &corsPolicy{p}
}

func (p *corsPolicy) allows(origin string) bool {
	for _, m := range p.AllowOriginStringMatch {
		if m.GetExact() == "*" || matchesString(m, origin) {
			return true
		}
	}
	return false
}

// preflight is the answer to a preflight, or nil when the request goes on (CorsFilter::decodeHeaders).
func (c *call) preflight(p *corsPolicy) *answer {
	origin := c.header("origin")
	if origin == "" || c.method != http.MethodOptions || c.header("access-control-request-method") == "" {
		return nil
	}
	allowed := p.allows(origin)
	if !allowed && (p.ForwardNotMatchingPreflights == nil || p.ForwardNotMatchingPreflights.Value) {
		return nil
	}
	h := headerSet{}
	set := func(name, v string) {
		if v != "" {
			h[name] = []string{v}
		}
	}
	if allowed {
		set("access-control-allow-origin", origin)
	}
	if p.AllowCredentials.GetValue() {
		set("access-control-allow-credentials", "true")
	}
	methods, headers := p.AllowMethods, p.AllowHeaders
	if methods == "*" {
		methods = c.header("access-control-request-method")
	}
	if headers == "*" {
		headers = c.header("access-control-request-headers")
	}
	set("access-control-allow-methods", methods)
	set("access-control-allow-headers", headers)
	set("access-control-max-age", p.MaxAge)
	// The answer passes through the filter itself on its way out.
	p.response(c, h)
	a := newAnswer(answered(http.StatusOK))
	a.set(answerHeaders, h.String())
	return a
}

// names are the headers that the policy touches in the response of a destination.
func (p *corsPolicy) names(c *call) []string {
	if p == nil || c.header("origin") == "" {
		return nil
	}
	return []string{"access-control-allow-origin", "access-control-allow-credentials", "access-control-expose-headers"}
}

// response changes a destination's response (CorsFilter::encodeHeaders).
func (p *corsPolicy) response(c *call, h headerSet) {
	if p == nil || c.header("origin") == "" || !p.allows(c.header("origin")) {
		return
	}
	h["access-control-allow-origin"] = []string{c.header("origin")}
	if p.AllowCredentials.GetValue() {
		h["access-control-allow-credentials"] = []string{"true"}
	}
	if p.ExposeHeaders != "" {
		h["access-control-expose-headers"] = []string{p.ExposeHeaders}
	}
}

// upstreamValue is that of a header which the destination has sent.
const upstreamValue = "of the destination"

// upstreamResponse has the named headers.
func upstreamResponse(names []string) headerSet {
	h := headerSet{}
	for _, n := range names {
		h[n] = []string{upstreamValue}
	}
	return h
}

// changed leaves those headers out that are as the destination sent them, and names those of names that were removed.
func changed(h headerSet, names []string) headerSet {
	out := headerSet{}
	for n, v := range h {
		if len(v) != 1 || v[0] != upstreamValue {
			out[n] = v
		}
	}
	for _, n := range names {
		if len(h[n]) == 0 {
			out[n] = []string{"(removed)"}
		}
	}
	return out
}
