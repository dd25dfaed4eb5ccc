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

package simulate

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// res is a resource of "kind/id" and its JSON.
func res(name, text string) Resource {
	kind, id, _ := strings.Cut(name, "/")
	return Resource{Kind: apisix.Kind(kind), ID: id, JSON: []byte(text)}
}

// answers is a route that answers with its id. fields are more of its JSON.
func answers(id, fields string) Resource {
	return res("routes/"+id, fmt.Sprintf(`{"id":%q,"plugins":{"fault-injection":{"abort":{"http_status":200,"body":%q}}},%s}`, id, id, fields))
}

func config(t testing.TB, resources ...Resource) *Config {
	t.Helper()
	c, err := New(resources)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// upstreams are u1 and u2 with a node each, and empty without one.
func upstreams() []Resource {
	return []Resource{
		res("upstreams/u1", `{"id":"u1","type":"roundrobin","nodes":[{"host":"10.0.0.1","port":80,"weight":1}],"retries":2,"timeout":{"connect":1,"send":2,"read":3}}`),
		res("upstreams/u2", `{"id":"u2","type":"roundrobin","scheme":"grpc","nodes":{"10.0.0.2:80":1,"10.0.0.3:80":2}}`),
		res("upstreams/empty", `{"id":"empty","type":"roundrobin","nodes":[]}`),
	}
}

// one is a configuration of one route with these plugins, which goes to u1, and the upstreams.
func one(t testing.TB, plugins string) *Config {
	t.Helper()
	return config(t, append(upstreams(), res("routes/r", `{"id":"r","uri":"/*","upstream_id":"u1","plugins":{`+plugins+`}}`))...)
}

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i+1 < len(pairs); i += 2 {
		h[http.CanonicalHeaderKey(pairs[i])] = append(h[http.CanonicalHeaderKey(pairs[i])], pairs[i+1])
	}
	return h
}

func TestNewRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, json, want string
	}{
		{"routes/r", `{"uri":"/*","vars":[["uri","~=","/a"]]}`, `routes/r: vars: the operator "~=" is not simulated`},
		{"routes/r", `{"uri":"/*","vars":[["uri","in",["/a"]]]}`, "not simulated"},
		{"routes/r", `{"uri":"/*","vars":[["ssl_client_s_dn","==","x"]]}`, "ssl_client_s_dn"},
		{"routes/r", `{"uri":"/*","vars":[["uri","~~","^a$"]]}`, `write \z`},
		{"routes/r", `{"uri":"/*","vars":[["uri","~~","(?=a)"]]}`, "uri"},
		{"routes/r", `{"uri":"/*","vars":["uri","==","/a"]}`, "must be lists"},
		{"routes/r", `{"uri":"/*","vars":[["OR",["uri","==","/a"]]]}`, "two conditions"},
		{"routes/r", `{"uri":"/*","vars":[[]]}`, "empty condition"},
		{"routes/r", `{"uri":"/*","filter_func":"function() end"}`, "filter_func"},
		{"routes/r", `{"uri":"/*","hosts":["a*.test"]}`, "a*.test"},
		{"routes/r", `{"uri":"/*","id":"other"}`, "other"},
		{"routes/r", `{"upstream_id":"u"}`, "uri"},
		{"routes/r", `{"uri":"/*"} {}`, "follows"},
		{"routes/r", `{`, "routes/r"},
		{"routes/r", `{"uri":"/*","plugins":{"traffic-split":{"rulez":[]}}}`, "plugin traffic-split"},
		{"routes/r", `{"uri":"/*","plugins":{"traffic-split":{"_meta":{"priority":1}}}}`, "_meta"},
		{"routes/r", `{"uri":"/*","plugins":{"mesh-rewrite":{"regex":{"pattern":"a","substitution":"$1"}}}}`, "$1"},
		{"routes/r", `{"uri":"/a(b/*"}`, "uri"},
		{"upstreams/u", `{"service_name":"x","type":"roundrobin"}`, "upstreams/u"},
		{"upstreams/u", `{"nodes":[],"pass_host":"node"}`, "pass_host"},
		{"services/s", `{"hosts":["*.*"]}`, "services/s"},
		{"nothing/x", `{}`, "nothing/x"},
	} {
		_, err := New([]Resource{res(tt.name, tt.json)})
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.name) {
			t.Errorf("%s %s: %v, want one with %q", tt.name, tt.json, err, tt.want)
		}
	}
	if _, err := New([]Resource{answers("r", `"uri":"/*"`), answers("r", `"uri":"/*"`)}); err == nil {
		t.Error("two routes of the same id are no error")
	}
	_, err := New([]Resource{res("routes/r", `{"uri":"/*","vars":[["uri","has","x"]]}`)})
	if !errors.Is(err, errNotSimulated) {
		t.Error(err)
	}
}

func TestNewPassesOver(t *testing.T) {
	c := config(t, res("ssls/x", `{"anything":1}`), res("protos/y", `nonsense`))
	if r := c.HTTP(Request{Host: "a", Path: "/"}); r.Response == nil || r.Response.Status != 404 || r.Route != "" {
		t.Errorf("%+v", r)
	}
}

func TestNoUpstream(t *testing.T) {
	c := config(t, append(
		upstreams(),
		res("routes/none", `{"uri":"/none","plugins":{}}`),
		res("routes/empty", `{"uri":"/empty","upstream_id":"empty"}`),
		res("routes/absent", `{"uri":"/absent","upstream_id":"absent"}`),
		res("routes/service", `{"uri":"/service","service_id":"absent"}`),
		res("routes/config", `{"uri":"/config","upstream_id":"u1","plugin_config_id":"absent"}`),
		res("routes/inline", `{"uri":"/inline","upstream":{"type":"roundrobin","nodes":{"a.test:80":1},"pass_host":"rewrite","upstream_host":"b.test"}}`),
	)...)
	for path, want := range map[string]int{"/none": 503, "/empty": 503, "/absent": 502, "/service": 404, "/config": 503, "/inline": 0, "/other": 404} {
		r := c.HTTP(Request{Host: "a", Path: path})
		got := 0
		if r.Response != nil {
			got = r.Response.Status
		}
		if got != want || path != "/other" && r.Route != path[1:] {
			t.Errorf("%s: %+v, want status %d", path, r, want)
		}
		if path == "/inline" && (len(r.Destinations) != 1 || r.Destinations[0].Request.Host != "b.test") {
			t.Errorf("%+v", r.Destinations)
		}
	}
	if u, ok := c.Upstream("u2"); !ok || len(u.Nodes) != 2 || u.Retries != 1 || u.Timeout != (Timeout{defaultTimeout, defaultTimeout, defaultTimeout}) {
		t.Errorf("%+v", u)
	}
	if _, ok := c.Upstream("absent"); ok {
		t.Error("there is an absent upstream")
	}
}

func TestForwarded(t *testing.T) {
	c := config(t, append(upstreams(), res("routes/r", `{"uri":"/*","upstream_id":"u1","timeout":{"connect":1,"send":1,"read":9},"enable_websocket":true}`))...)
	r := c.HTTP(Request{Method: http.MethodPost, Host: "A.test:81", Path: "/a//b?x", Header: header("x-a", "1", "x-a", "2")})
	if len(r.Destinations) != 1 || r.Response != nil || !r.Websocket {
		t.Fatalf("%+v", r)
	}
	d := r.Destinations[0]
	if d.UpstreamID != "u1" || d.Retries != 2 || d.Timeout.Read.Seconds() != 9 || d.Status != 0 {
		t.Errorf("%+v", d)
	}
	if f := d.Request; f.Method != http.MethodPost || f.Host != "A.test:81" || f.Path != "/a//b?x" || len(f.Header["X-A"]) != 2 || len(f.Changes) != 0 {
		t.Errorf("%+v", f)
	}
}

func TestNotSimulated(t *testing.T) {
	c := one(t, `"key-auth":{},"mesh-headers":{"request":{"values":[{"name":"x","value":["a",{"var":"ssl_cipher"}]}]}}`)
	r := c.HTTP(Request{Host: "a", Path: "/"})
	if got := strings.Join(r.NotSimulated, "; "); got != "plugin key-auth; variable ssl_cipher" {
		t.Error(got)
	}
}

func TestMerge(t *testing.T) {
	set := func(v string) string {
		return `"plugins":{"mesh-headers":{"request":{"values":[{"name":"x","value":"` + v + `"}]}}}`
	}
	rewrite := `"mesh-rewrite":{"authority":"from-`
	c := config(t, append(
		upstreams(),
		res("services/s", `{"upstream_id":"u2","hosts":["s.test"],"enable_websocket":true,"plugins":{`+rewrite+`service"},"mesh-headers":{}}}`),
		res("plugin_configs/p", `{`+set("config")+`}`),
		res("routes/route", `{"uri":"/route","service_id":"s","plugin_config_id":"p",`+set("route")+`}`),
		res("routes/config", `{"uri":"/config","service_id":"s","plugin_config_id":"p","upstream_id":"u1"}`),
		res("routes/disabled", `{"uri":"/disabled","service_id":"s","plugins":{"mesh-rewrite":{"_meta":{"disable":true}}}}`),
	)...)
	for _, tt := range []struct{ path, upstream, x, host string }{
		{"/route", "u2", "route", "from-service"},
		{"/config", "u1", "config", "from-service"},
		{"/disabled", "u2", "", "s.test"},
	} {
		r := c.HTTP(Request{Host: "s.test", Path: tt.path})
		if len(r.Destinations) != 1 || !r.Websocket {
			t.Errorf("%s: %+v", tt.path, r)
			continue
		}
		d := r.Destinations[0]
		if got := d.Request.Header.Get("X"); d.UpstreamID != tt.upstream || got != tt.x || d.Request.Host != tt.host {
			t.Errorf("%s: %+v", tt.path, d)
		}
	}
	if r := c.HTTP(Request{Host: "other.test", Path: "/route"}); r.Route != "" {
		t.Errorf("the hosts of the service do not count: %+v", r)
	}
}

func TestGlobalRules(t *testing.T) {
	rule := func(name, plugin string) Resource { return res("global_rules/"+name, `{"plugins":{`+plugin+`}}`) }
	abort := `"fault-injection":{"abort":{"http_status":418}}`
	c := config(t, answers("r", `"uri":"/a"`), rule("1", abort))
	for _, path := range []string{"/a", "/nothing"} {
		if r := c.HTTP(Request{Host: "a", Path: path}); r.Response == nil || r.Response.Status != 418 {
			t.Errorf("%s: %+v", path, r)
		}
	}
	c = config(t, answers("r", `"uri":"/a"`), rule("1", abort), rule("2", abort))
	if r := c.HTTP(Request{Host: "a", Path: "/a"}); r.Response == nil || r.Response.Body != "r" {
		t.Errorf("APISIX drops a plugin that two global rules have: %+v", r)
	}
}

func TestOriginalDst(t *testing.T) {
	c := config(t, answers("r", `"uri":"/*","vars":[["original_dst_port","==","8080"]]`))
	for _, tt := range []struct {
		host, dst string
		want      bool
	}{
		{"a", "10.0.0.1:8080", true},
		{"a:8080", "10.0.0.1:80", false},
		{"a:8080", "", true},
		{"a", "", false},
		{"[::1]:8080", "", true},
		{"[::8080]", "", false},
	} {
		r := Request{Host: tt.host, Path: "/"}
		if tt.dst != "" {
			r.OriginalDst = netip.MustParseAddrPort(tt.dst)
		}
		if got := c.HTTP(r).Route != ""; got != tt.want {
			t.Errorf("%s to %q: %t", tt.host, tt.dst, got)
		}
	}
}

// TestTypedResources takes what the translator's own types write.
func TestTypedResources(t *testing.T) {
	route := apisix.Route{
		ID: "r", Name: "n", Hosts: []string{"a.test"}, URI: "/*", Priority: 3, UpstreamID: "u1", EnableWebsocket: true,
		Vars: []apisix.Expr{
			{Var: "uri", Op: apisix.OpMatchFold, Value: `^/A\z`},
			{Logic: apisix.LogicOr, Exprs: []apisix.Expr{{Var: "http_x", Op: apisix.OpEqual, Value: ""}, {Var: "http_x", Not: true, Op: apisix.OpMatch, Value: "^"}}},
		},
		Plugins: []apisix.Plugin{
			&apisix.MeshFault{Delay: &apisix.MeshFaultDelay{Duration: 1.5, Percentage: 20}, Abort: &apisix.MeshFaultAbort{HTTPStatus: 503, Percentage: 10}},
			&apisix.TrafficSplit{Upstreams: []apisix.WeightedUpstream{{UpstreamID: "u1", Weight: 1}, {UpstreamID: "u2", Weight: 3}}},
		},
	}
	c := config(t, append(upstreams(), Resource{Kind: apisix.Routes, ID: "r", JSON: route.AppendJSON(nil)})...)
	r := c.HTTP(Request{Host: "a.test", Path: "/a"})
	if r.Response != nil || len(r.Faults) != 2 || r.Faults[0].Delay.Seconds() != 1.5 || r.Faults[1].Percent != 10 || len(r.Destinations) != 2 || r.Destinations[1].Weight != 3 {
		b, _ := json.Marshal(r)
		t.Errorf("%s", b)
	}
}
