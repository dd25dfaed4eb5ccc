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

package lua

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/lua"
	"github.com/apisix-mesh/pilot-apisix/tests/apisixtest"
)

// testRBAC has requests come to routes with policies. Nobody has a certificate here; tests/e2e has clients that do.
func testRBAC(p *proxy) {
	p.upstream("rbac", nil, echo(p.t, "rbac"))
	to := func(conditions ...object) []object { return []object{{"name": "rule", "to": [][]object{conditions}}} }
	is := func(attribute string, more object) object {
		c := object{"attribute": attribute}
		for k, v := range more {
			c[k] = v
		}
		return c
	}
	p.route("rbac", "rbac", object{"mesh-rbac": object{
		"deny": to(is("path", object{"exact": []string{"/admin"}, "prefix": []string{"/admin/"}})),
		"allow": append(append(
			to(is("method", object{"exact": []string{"GET"}}), is("path", object{"template": []string{"/items/{*}"}, "suffix": []string{".html"}})),
			to(is("request.headers", object{"header": "x-token", "exact": []string{"a,b"}}), is("source.ip", object{"cidr": []string{"127.0.0.0/8"}}))...),
			to(is("host", object{"exact": []string{"rbac.test:81"}}))...),
	}})
	p.route("rbac-nobody", "rbac", object{"mesh-rbac": object{"allow": []object{}}})
	p.route("rbac-identity", "rbac", object{"mesh-rbac": object{"allow": []object{
		{"from": [][]object{{is("source.principal", object{"present": true})}}},
	}}})
	p.route("rbac-plain", "rbac", object{"mesh-rbac": object{"allow": []object{
		{"from": [][]object{{is("source.principal", object{"present": true, "not": true})}}},
	}}})
	p.route("rbac-unknown", "rbac", object{"mesh-rbac": object{"allow": []object{{"to": [][]object{{is("no.such", nil)}}}}}})
	p.route("rbac-underscore", "rbac", object{"mesh-rbac": object{"allow": to(is("request.headers", object{"header": "x_token", "present": true}))}})
	p.route("rbac-cookie", "rbac", object{"mesh-rbac": object{"allow": to(is("request.headers", object{"header": "cookie", "prefix": []string{"a=b"}}))}})
	p.route("rbac-remote", "rbac", object{"mesh-rbac": object{"allow": []object{
		{"from": [][]object{{is("remote.ip", object{"cidr": []string{"192.0.2.0/24"}})}}},
	}}})
	p.put("routes", "rbac-guarded", object{
		"id": "rbac-guarded", "hosts": []string{"rbac-guarded.test"}, "uri": "/*", "upstream_id": "rbac", "vars": [][]string{{"mesh_rbac", "==", "1"}},
		"plugins": object{"mesh-rbac": object{}},
	})
	p.sync()
	for _, tt := range []struct {
		what    string
		request request
		status  int
		// path is what the upstream is sent.
		path string
	}{
		{"a path and a method", request{target: "/items/1"}, 200, "/items/1"},
		{"with a query", request{target: "/items/1?a=.html"}, 200, "/items/1?a=.html"},
		{"another method", request{method: "PUT", target: "/items/1"}, 403, ""},
		{"another path", request{target: "/items/1/2"}, 403, ""},
		{"a path that is another one", request{target: "/x/../items/%31?b"}, 200, "/items/1?b"},
		{"a denied path", request{target: "/admin/a.html"}, 403, ""},
		{"a denied path that is written in another way", request{target: "/x/%2e%2e/%61dmin/a.html"}, 403, ""},
		{"one that only nginx takes for the denied path", request{target: "//admin/a.html"}, 200, "//admin/a.html"},
		{"headers", request{method: "PUT", target: "/x", headers: []string{"X-Token: a", "x-token: b"}}, 200, "/x"},
		{"headers the other way round", request{method: "PUT", target: "/x", headers: []string{"X-Token: b", "x-token: a"}}, 403, ""},
		{"a header with an underscore", request{method: "PUT", target: "/x", headers: []string{"X_Token: a,b"}}, 403, ""},
		{"an address that the client made up", request{target: "/x", headers: []string{"X-Real-IP: 10.0.0.1", "X-Token: a,b"}}, 200, "/x"},
		{"a host with a port", request{host: "RBAC.test:81", target: "/y"}, 200, "/y"},
		{"nobody", request{host: "rbac-nobody.test"}, 403, ""},
		{"somebody without an identity", request{host: "rbac-identity.test"}, 403, ""},
		{"somebody without an identity, who is asked for", request{host: "rbac-plain.test"}, 200, "/"},
		{"a route that asks for the plugin", request{host: "rbac-guarded.test"}, 200, "/"},
		{"a rule that nobody knows", request{host: "rbac-unknown.test"}, 404, ""},
		{"a header with a hyphen for one with an underscore", request{host: "rbac-underscore.test", headers: []string{"X-Token: a"}}, 403, ""},
		{"one with an underscore", request{host: "rbac-underscore.test", headers: []string{"X_Token: a"}}, 200, "/"},
		{"a cookie", request{host: "rbac-cookie.test", headers: []string{"Cookie: a=b; c=d"}}, 200, "/"},
		{"cookies that may be put together in two ways", request{host: "rbac-cookie.test", headers: []string{"Cookie: a=b", "Cookie: c=d"}}, 403, ""},
		{"an address behind a proxy", request{host: "rbac-remote.test", headers: []string{"X-Forwarded-For: 10.0.0.1, 192.0.2.9"}}, 200, "/"},
		{"another one", request{host: "rbac-remote.test", headers: []string{"X-Forwarded-For: 192.0.2.9, 10.0.0.1"}}, 403, ""},
		{"no address", request{host: "rbac-remote.test", headers: []string{"X-Forwarded-For: 192.0.2.9, unknown"}}, 403, ""},
		{"the proxy's own", request{host: "rbac-remote.test"}, 403, ""},
	} {
		if tt.request.host == "" {
			tt.request.host = "rbac.test"
		}
		res := p.do(tt.request)
		if res.status != tt.status {
			p.t.Errorf("%s: got %d %s, want %d", tt.what, res.status, res.body, tt.status)
			continue
		}
		switch tt.status {
		case http.StatusOK:
			if got := res.got(p.t); got.Target != tt.path {
				p.t.Errorf("%s: %s is forwarded, want %s", tt.what, got.Target, tt.path)
			}
		case http.StatusForbidden:
			if res.body != "RBAC: access denied" || !strings.HasPrefix(res.header.Get("Content-Type"), "text/plain") {
				p.t.Errorf("%s: got %q", tt.what, res.body)
			}
		}
	}
	// A hundred headers in front do not hide one.
	many := make([]string, 0, 110)
	for range 109 {
		many = append(many, "a: b")
	}
	if res := p.do(request{method: "PUT", host: "rbac.test", target: "/x", headers: append(many, "x-token: a,b")}); res.status != http.StatusOK {
		p.t.Errorf("a header behind many: got %d", res.status)
	}
	grpc := p.do(request{method: "POST", host: "rbac-nobody.test", headers: []string{"Content-Type: application/grpc"}})
	if grpc.status != http.StatusOK || grpc.header.Get("grpc-status") != "7" || grpc.header.Get("grpc-message") != "RBAC: access denied" {
		p.t.Errorf("gRPC: got %d %v", grpc.status, grpc.header)
	}
}

// TestWithoutRBAC has an APISIX that lacks the plugin serve routes which need it: it leaves the plugin out and not the route, unless the
// route asks for what only the plugin says.
func TestWithoutRBAC(t *testing.T) {
	plugins := slices.DeleteFunc(lua.Plugins(), func(name string) bool { return name == "mesh-rbac" })
	p := &proxy{APISIX: apisixtest.Start(t, apisixtest.Options{Plugins: plugins, Workers: 1}), t: t, rounds: new(int)}
	p.upstream("rbac", nil, echo(t, "rbac"))
	nobody := object{"mesh-rbac": object{"allow": []object{}}}
	p.put("routes", "guarded", object{
		"id": "guarded", "hosts": []string{"guarded.test"}, "uri": "/*", "upstream_id": "rbac", "vars": [][]string{{"mesh_rbac", "==", "1"}}, "plugins": nobody,
	})
	p.route("unguarded", "rbac", nobody)
	p.sync()
	if res := p.do(request{host: "guarded.test"}); res.status != http.StatusNotFound {
		t.Errorf("got %d", res.status)
	}
	if res := p.do(request{host: "unguarded.test"}); res.status != http.StatusOK {
		t.Logf("APISIX has begun to refuse routes with plugins that it does not know: %d", res.status)
	}
}
