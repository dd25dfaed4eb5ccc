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
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	networking "istio.io/api/networking/v1alpha3"
)

var durations = []*durationpb.Duration{
	durationpb.New(0), durationpb.New(time.Millisecond), durationpb.New(250 * time.Millisecond), durationpb.New(time.Second), durationpb.New(90 * time.Second),
}

func (r *random) percent() *networking.Percent {
	return &networking.Percent{Value: pick(r, []float64{0, 0.1, 1, 12.5, 50, 99.9999, 100, 100})}
}

func (r *random) redirect() *networking.HTTPRedirect {
	out := &networking.HTTPRedirect{RedirectCode: pick(r, []uint32{0, 301, 302, 303, 307, 308})}
	switch r.IntN(3) {
	case 0:
		out.Uri = pick(r, []string{"/new", "/new?x=1", "/", "/new/path#f"})
	case 1:
		out.RedirectPort = nil
		out.PrefixRewrite = pick(r, []string{"/new", "/new/", "/"})
	}
	if r.maybe(2) {
		out.Authority = pick(r, []string{"other.example", "other.example:8443"})
	}
	if r.maybe(3) {
		out.Scheme = pick(r, []string{"http", "https"})
	}
	switch r.IntN(6) {
	case 0:
		out.RedirectPort = &networking.HTTPRedirect_Port{Port: pick(r, []uint32{80, 443, 8443})}
	case 1:
		out.RedirectPort = &networking.HTTPRedirect_DerivePort{DerivePort: networking.HTTPRedirect_FROM_REQUEST_PORT}
	case 2:
		out.RedirectPort = &networking.HTTPRedirect_DerivePort{DerivePort: networking.HTTPRedirect_FROM_PROTOCOL_DEFAULT}
	}
	return out
}

func (r *random) directResponse() *networking.HTTPDirectResponse {
	out := &networking.HTTPDirectResponse{Status: pick(r, []uint32{200, 204, 404, 418, 500, 503})}
	switch r.IntN(3) {
	case 0:
		out.Body = &networking.HTTPBody{Specifier: &networking.HTTPBody_String_{String_: pick(r, []string{"text", `{"a":"$b"}`, "é\n"})}}
	case 1:
		out.Body = &networking.HTTPBody{Specifier: &networking.HTTPBody_Bytes{Bytes: []byte{0xff, 'x', 0}}}
	}
	return out
}

func (r *random) rewrite() *networking.HTTPRewrite {
	out := &networking.HTTPRewrite{}
	switch r.IntN(4) {
	case 0:
		out.UriRegexRewrite = &networking.RegexRewrite{
			Match:   pick(r, []string{"/api", "/(a|api)/(.*)", "^/a", "[0-9]+", "/([^/]+)$", "(?P<x>b)", "/v(\\d)", "\\w+"}),
			Rewrite: pick(r, []string{"/new", "/n/\\2", "\\0\\0", "x$1", "\\\\", "/\\1/x", "${1}"}),
		}
	case 1, 2:
		out.Uri = pick(r, []string{"/", "/new", "/new/", "new", "/x?y=1", "/${x}"})
	}
	if r.maybe(2) || out.Uri == "" && out.UriRegexRewrite == nil {
		out.Authority = pick(r, []string{"rewritten.example", "rewritten.example:8080", "Upper.Example"})
	}
	return out
}

func (r *random) fault() *networking.HTTPFaultInjection {
	out := &networking.HTTPFaultInjection{}
	if r.maybe(2) {
		d := &networking.HTTPFaultInjection_Delay{
			HttpDelayType: &networking.HTTPFaultInjection_Delay_FixedDelay{FixedDelay: durationpb.New(pick(r, []time.Duration{time.Millisecond, 250 * time.Millisecond, 7 * time.Second}))},
		}
		switch r.IntN(6) {
		case 0:
			d.Percent = int32(r.IntN(101)) //nolint:staticcheck // deprecated, and still honoured by Istio
		case 1:
		default:
			d.Percentage = r.percent()
		}
		out.Delay = d
	}
	if out.Delay == nil || r.maybe(2) {
		a := &networking.HTTPFaultInjection_Abort{
			ErrorType: &networking.HTTPFaultInjection_Abort_HttpStatus{HttpStatus: pick(r, []int32{400, 404, 500, 503, 555})},
		}
		if r.maybe(4) {
			a.ErrorType = &networking.HTTPFaultInjection_Abort_GrpcStatus{GrpcStatus: pick(r, []string{"UNAVAILABLE", "NOT_FOUND", "INTERNAL", "OK"})}
		}
		if !r.maybe(6) {
			a.Percentage = r.percent()
		}
		out.Abort = a
	}
	return out
}

func (r *random) retries() *networking.HTTPRetry {
	out := &networking.HTTPRetry{Attempts: int32(r.IntN(5))}
	if out.Attempts == 0 {
		return out
	}
	if r.maybe(2) {
		out.RetryOn = pick(r, []string{
			"5xx", "connect-failure,reset", "gateway-error,503", "retriable-4xx", "500,502", "reset-before-request", "5xx,429,404",
			"connect-failure,refused-stream,unavailable,cancelled,503", "reset,deadline-exceeded", "5xx,gateway-error,409",
		})
	}
	if r.maybe(2) {
		out.PerTryTimeout = pick(r, durations[1:])
	}
	if r.maybe(4) {
		out.RetryRemoteLocalities = wrapperspb.Bool(r.maybe(2))
	}
	if r.maybe(4) {
		out.Backoff = pick(r, durations[1:])
	}
	if r.maybe(4) {
		out.RetryIgnorePreviousHosts = wrapperspb.Bool(r.maybe(2))
	}
	return out
}

func (r *random) cors() *networking.CorsPolicy {
	out := &networking.CorsPolicy{}
	for range r.times(0, 2) {
		out.AllowOrigins = append(out.AllowOrigins, pick(r, []*networking.StringMatch{
			exact("*"), exact("https://a.example"), prefix("https://"), regex("https://[a-z]+\\.example"), regex(".*"),
		}))
	}
	if r.maybe(2) {
		out.AllowMethods = pick(r, [][]string{{"GET"}, {"GET", "POST"}})
	}
	if r.maybe(2) {
		out.AllowHeaders = pick(r, [][]string{{"x-a"}, {"x-a", "x-b"}, {"*"}})
	}
	if r.maybe(2) {
		out.ExposeHeaders = []string{"x-c", "x-d"}
	}
	if r.maybe(2) {
		out.MaxAge = pick(r, durations)
	}
	if r.maybe(2) {
		out.AllowCredentials = wrapperspb.Bool(r.maybe(2))
	}
	if r.maybe(2) {
		out.UnmatchedPreflights = pick(r, []networking.CorsPolicy_UnmatchedPreflights{networking.CorsPolicy_FORWARD, networking.CorsPolicy_IGNORE})
	}
	return out
}

// changedNames are headers that are set, added and removed; some of them are matched on, and one is the host.
var changedNames = []string{"x-a", "x-b", "X-New", "x_under", "user-agent", "x-envoy-decorator-operation", "cookie"}

var changedValues = []string{
	"new", "", "a $b", "%REQ(x-a)%", "pre-%REQ(:path)%-post", "%REQ(:authority)%", "100%%", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "%REQ(X-Missing)%", "%REQ(:METHOD)%",
	"%START_TIME%", "é", "a,b",
}

func (r *random) headers() *networking.Headers {
	out := &networking.Headers{}
	if !r.maybe(4) {
		out.Request = r.operations()
		if r.maybe(8) {
			out.Request.Set = map[string]string{pick(r, []string{"host", ":authority", "Host"}): "set.example"}
		}
	}
	if r.maybe(2) {
		out.Response = r.operations()
	}
	return out
}

func (r *random) operations() *networking.Headers_HeaderOperations {
	out := &networking.Headers_HeaderOperations{}
	add := func(m *map[string]string) {
		if !r.maybe(2) {
			return
		}
		*m = map[string]string{}
		for range r.times(1, 2) {
			(*m)[pick(r, changedNames)] = pick(r, changedValues)
		}
	}
	add(&out.Set)
	add(&out.Add)
	if r.maybe(2) {
		out.Remove = some(r, changedNames, 2)
	}
	return out
}
