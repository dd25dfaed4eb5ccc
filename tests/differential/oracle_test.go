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
	"slices"
	"testing"

	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcher "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
)

// withoutSpares makes nothing that no call of TestNotBlind needs.
const withoutSpares = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a, namespace: default}
spec:
  hosts: [a.example]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: 10.1.0.1}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a, namespace: default}
spec:
  hosts: [a.example]
  http:
  - match: [{uri: {prefix: /a}}]
    directResponse: {status: 418}
  - route: [{destination: {host: a.example}}]
    headers: {request: {set: {x-a: b}}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: db, namespace: default}
spec:
  hosts: [db.example]
  addresses: [10.3.0.1]
  ports: [{number: 3306, name: tcp, protocol: TCP}, {number: 443, name: tls, protocol: TLS}]
  resolution: STATIC
  endpoints: [{address: 10.1.0.2}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: db, namespace: default}
spec:
  hosts: [db.example]
  tls:
  - match: [{sniHosts: [db.example]}]
    route: [{destination: {host: db.example}, weight: 3}, {destination: {host: a.example, port: {number: 80}}, weight: 1}]
`

// TestNotBlind takes resources away, one after the other, and expects a disagreement each time.
func TestNotBlind(t *testing.T) {
	configs, _, err := crd.ParseInputs(withoutSpares)
	assert.NoError(t, err)
	s := &scenario{namespace: "default"}
	for i := range configs {
		configs[i].Domain = domain
		s.objects = append(s.objects, object{config: &configs[i]})
	}
	calls := []*call{
		{address: elsewhere, port: 80, method: "GET", host: "a.example", path: "/a"},
		{address: elsewhere, port: 80, method: "GET", host: "a.example", path: "/b"},
		{address: elsewhere, port: 80, method: "GET", host: "b.example", path: "/"},
		{address: elsewhere, port: 80, transport: overTCP},
		{address: elsewhere, port: 9999, transport: overTCP},
		{address: elsewhere, port: 3306, transport: overTCP},
		{address: "10.3.0.1", port: 3306, transport: overTCP},
		{address: elsewhere, port: 443, transport: overTLS, sni: "db.example"},
		{address: "10.3.0.1", port: 443, transport: overTLS, sni: "db.example"},
		{address: "10.3.0.1", port: 443, transport: overTLS, sni: "other.example"},
		{address: clientIP, port: 9999, transport: overTCP, inbound: true},
		{address: clientIP, port: 9999, method: "GET", host: "a.example", path: "/", inbound: true},
	}
	l := &lab{T: t}
	defer l.close()
	x, err := s.generate(l)
	assert.NoError(t, err)
	disagreements := func() (n int) {
		for _, c := range calls {
			n += len(x.compare(t, c, nil))
		}
		return n
	}
	assert.Equal(t, disagreements(), 0)
	for i, r := range x.out.Resources {
		if r.Kind != apisix.Routes && r.Kind != apisix.StreamRoutes {
			continue
		}
		less := *x.out
		less.Resources = slices.Delete(slices.Clone(x.out.Resources), i, i+1)
		x.apisix, err = newPlayer(&less)
		assert.NoError(t, err)
		if disagreements() == 0 {
			t.Errorf("nobody misses %s", r.Name())
		}
	}
}

// TestTelling keeps the list of what diagnostics tell at what the table has.
func TestTelling(t *testing.T) {
	known := map[string]bool{}
	for _, e := range fidelity.Entries() {
		known[e.Code] = true
	}
	for _, code := range slices.Concat(sortedKeys(telling), endpointCodes, policyCodes) {
		if !known[code] {
			t.Errorf("the fidelity table has no %s", code)
		}
	}
}

// TestMatchesHeader has Envoy's documented cases of header matching.
func TestMatchesHeader(t *testing.T) {
	regex := &matcher.StringMatcher{MatchPattern: &matcher.StringMatcher_SafeRegex{SafeRegex: &matcher.RegexMatcher{Regex: `\d{3}`}}}
	for _, tt := range []struct {
		m     *route.HeaderMatcher
		sent  []field
		match bool
	}{
		{&route.HeaderMatcher{HeaderMatchSpecifier: &route.HeaderMatcher_StringMatch{StringMatch: regex}}, []field{{"x", "123"}}, true},
		{&route.HeaderMatcher{HeaderMatchSpecifier: &route.HeaderMatcher_StringMatch{StringMatch: regex}}, []field{{"x", "1234"}}, false},
		{&route.HeaderMatcher{HeaderMatchSpecifier: &route.HeaderMatcher_StringMatch{StringMatch: regex}}, nil, false},
		{&route.HeaderMatcher{HeaderMatchSpecifier: &route.HeaderMatcher_StringMatch{StringMatch: regex}, InvertMatch: true}, []field{{"X", "1234"}}, true},
		{&route.HeaderMatcher{HeaderMatchSpecifier: &route.HeaderMatcher_StringMatch{StringMatch: regex}, InvertMatch: true}, nil, false},
		{&route.HeaderMatcher{
			HeaderMatchSpecifier: &route.HeaderMatcher_StringMatch{StringMatch: regex}, InvertMatch: true, TreatMissingHeaderAsEmpty: true,
		}, nil, true},
		{&route.HeaderMatcher{HeaderMatchSpecifier: &route.HeaderMatcher_PresentMatch{PresentMatch: true}}, []field{{"x", ""}}, true},
		{&route.HeaderMatcher{HeaderMatchSpecifier: &route.HeaderMatcher_PresentMatch{PresentMatch: true}, InvertMatch: true}, nil, true},
	} {
		tt.m.Name = "x"
		if got := matchesHeader(tt.m, &call{headers: tt.sent}); got != tt.match {
			t.Errorf("%v takes %v: %v", tt.m, tt.sent, got)
		}
	}
}

// TestRedirectTo has cases of Envoy's own tests.
func TestRedirectTo(t *testing.T) {
	for _, tt := range []struct {
		host, path string
		to         *route.RedirectAction
		want       string
	}{
		{"a.example", "/x?q=1", &route.RedirectAction{HostRedirect: "b.example"}, "http://b.example/x?q=1"},
		{"a.example:80", "/x", &route.RedirectAction{SchemeRewriteSpecifier: &route.RedirectAction_SchemeRedirect{SchemeRedirect: "https"}}, "https://a.example/x"},
		{"a.example:8080", "/x", &route.RedirectAction{PortRedirect: 8443}, "http://a.example:8443/x"},
		{"[::1]:8080", "/x", &route.RedirectAction{PortRedirect: 8443}, "http://[::1]:8443/x"},
		{"a.example", "/x?q=1", &route.RedirectAction{PathRewriteSpecifier: &route.RedirectAction_PathRedirect{PathRedirect: "/y"}}, "http://a.example/y?q=1"},
		{"a.example", "/x?q=1", &route.RedirectAction{PathRewriteSpecifier: &route.RedirectAction_PathRedirect{PathRedirect: "/y?z"}}, "http://a.example/y?z"},
		{"a.example", "/x/z", &route.RedirectAction{PathRewriteSpecifier: &route.RedirectAction_PrefixRewrite{PrefixRewrite: "/y"}}, "http://a.example/y/z"},
	} {
		r := &route.Route{
			Match:  &route.RouteMatch{PathSpecifier: &route.RouteMatch_Prefix{Prefix: "/x"}},
			Action: &route.Route_Redirect{Redirect: tt.to},
		}
		if got := redirectTo(r, &call{host: tt.host, path: tt.path}); got != tt.want {
			t.Errorf("%s%s goes to %q, want %q", tt.host, tt.path, got, tt.want)
		}
	}
}
