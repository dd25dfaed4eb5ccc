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

package traffic

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// TestTraffic runs one APISIX through everything: starting one costs more than all the requests.
func TestTraffic(t *testing.T) {
	m := start(t)
	for _, tt := range []struct {
		name string
		run  func(*mesh)
	}{
		{"Match", testMatch},
		{"Hosts", testHosts},
		{"Split", testSplit},
		{"Fault", testFault},
		{"Timeout", testTimeout},
		{"ConnectFailure", testConnectFailure},
		{"NoEndpoint", testNoEndpoint},
		{"ConnectionPool", testConnectionPool},
		{"Change", testChange},
		{"Inbound", testInbound},
		{"TCP", testTCP},
		{"Balancer", testBalancer},
		{"BalancerTCP", testBalancerTCP},
		{"TCPConnectFailure", testTCPConnectFailure},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sub := *m
			sub.t = t
			tt.run(&sub)
			m.output = sub.output
		})
	}
}

func exact(v string) *ir.StringMatch  { return &ir.StringMatch{Kind: ir.MatchExact, Value: v} }
func prefix(v string) *ir.StringMatch { return &ir.StringMatch{Kind: ir.MatchPrefix, Value: v} }
func regex(v string) *ir.StringMatch  { return &ir.StringMatch{Kind: ir.MatchRegex, Value: v} }

func header(name string, m *ir.StringMatch) []ir.NamedMatch {
	return []ir.NamedMatch{{Name: name, StringMatch: *m}}
}

// testMatch gives each rule a destination of its own.
func testMatch(m *mesh) {
	present := &ir.StringMatch{Kind: ir.MatchPresent}
	rules := []struct {
		name  string
		match ir.Match
	}{
		{"a", ir.Match{Path: prefix("/a")}},
		{"never", ir.Match{Path: prefix("/a/longer")}},
		{"exact", ir.Match{Path: exact("/exact")}},
		{"fold", ir.Match{Path: exact("/Fold"), IgnorePathCase: true}},
		{"fold-prefix", ir.Match{Path: prefix("/FP/"), IgnorePathCase: true}},
		{"path-prefix", ir.Match{Path: &ir.StringMatch{Kind: ir.MatchPathPrefix, Value: "/pp"}}},
		{"regex", ir.Match{Path: regex(`/v\d+/[^/]+`)}},
		{"alternatives", ir.Match{Path: regex(`/x|/y`)}},
		{"post", ir.Match{Path: exact("/m"), Method: exact("POST")}},
		{"authority", ir.Match{Path: exact("/m"), Authority: regex(`match\.test:80`)}},
		{"jason", ir.Match{Path: exact("/h"), Headers: header("end-user", exact("jason"))}},
		{"h-regex", ir.Match{Path: exact("/h"), Headers: header("end-user", regex("a.c"))}},
		{"h-present", ir.Match{Path: exact("/h"), Headers: header("x-flag", present)}},
		{"h-empty", ir.Match{Path: exact("/h"), Headers: header("x-empty", exact(""))}},
		{"without", ir.Match{Path: exact("/w"), WithoutHeaders: header("x-a", exact("1"))}},
		{"without-present", ir.Match{Path: exact("/w"), WithoutHeaders: header("x-b", present)}},
		{"without-any", ir.Match{Path: exact("/w2"), WithoutHeaders: header("x-a", regex(".*"))}},
		{"query", ir.Match{Path: exact("/q"), QueryParams: header("k", exact("v w"))}},
		{"query-prefix", ir.Match{Path: exact("/q"), QueryParams: header("k", prefix("v"))}},
		{"query-present", ir.Match{Path: exact("/q"), QueryParams: header("flag", present)}},
	}
	h := &ir.VirtualHost{Port: 80, Name: "match.test", Domains: []string{"match.test"}}
	cfg := &ir.Config{VirtualHosts: []*ir.VirtualHost{h}}
	for _, r := range rules {
		c := cluster("match.test", r.name, backend(m.t, r.name))
		cfg.Clusters = append(cfg.Clusters, c)
		h.Routes = append(h.Routes, ir.Route{Match: r.match, Destinations: to(c)})
	}
	sortClusters(cfg)
	m.serve(cfg)
	h1 := func(k, v string) map[string]string { return map[string]string{k: v} }
	for _, tt := range []struct {
		request
		want string
	}{
		{request{path: "/a"}, "a"},
		{request{path: "/abc"}, "a"},
		{request{path: "/a/longer/path"}, "a"},
		{request{path: "/A"}, ""},
		{request{path: "/exact"}, "exact"},
		{request{path: "/exact?q=1"}, "exact"},
		{request{path: "/exact/"}, ""},
		{request{path: "/fOLD"}, "fold"},
		{request{path: "/folder"}, ""},
		{request{path: "/fp/x"}, "fold-prefix"},
		{request{path: "/pp"}, "path-prefix"},
		{request{path: "/pp/x"}, "path-prefix"},
		{request{path: "/ppx"}, ""},
		{request{path: "/v12/x"}, "regex"},
		{request{path: "/v12/x/y"}, ""},
		{request{path: "/v12/"}, ""},
		{request{path: "/y"}, "alternatives"},
		{request{path: "/yx"}, ""},
		{request{path: "/x/y"}, ""},
		{request{path: "/m", method: "POST"}, "post"},
		{request{path: "/m"}, ""},
		{request{path: "/m", host: "match.test:80"}, "authority"},
		{request{path: "/h", headers: h1("end-user", "jason")}, "jason"},
		{request{path: "/h", headers: h1("end-user", "Jason")}, ""},
		{request{path: "/h", headers: h1("End-User", "abc")}, "h-regex"},
		{request{path: "/h", headers: h1("end-user", "abcd")}, ""},
		{request{path: "/h", headers: h1("x-flag", "")}, "h-present"},
		{request{path: "/h", headers: h1("x-empty", "")}, "h-empty"},
		{request{path: "/h", headers: h1("x-empty", "x")}, ""},
		{request{path: "/h"}, ""},
		{request{path: "/w"}, "without"},
		{request{path: "/w", headers: h1("x-a", "2")}, "without"},
		{request{path: "/w", headers: h1("x-a", "1")}, "without-present"},
		{request{path: "/w", headers: map[string]string{"x-a": "1", "x-b": ""}}, ""},
		{request{path: "/w2"}, ""},
		{request{path: "/q?k=v+w"}, "query"},
		{request{path: "/q?k=v%20w"}, "query"},
		{request{path: "/q?k=vx"}, "query-prefix"},
		{request{path: "/q?flag"}, "query-present"},
		{request{path: "/q?flag="}, "query-present"},
		{request{path: "/q?K=v"}, ""},
		{request{path: "/nothing"}, ""},
	} {
		if tt.host == "" {
			tt.host = "match.test"
		}
		res := m.do(tt.request)
		if tt.want == "" && res.status != http.StatusNotFound || tt.want != "" && res.body != tt.want {
			m.t.Errorf("%+v is answered with %d %q, want %q", tt.request, res.status, res.body, tt.want)
		}
	}
}

// testHosts has an exact host, two wildcards that cover it, another port, and a host for everything else.
func testHosts(m *mesh) {
	cfg := &ir.Config{CatchAll: &ir.Route{Name: "block_all", DirectResponse: &ir.DirectResponse{Status: http.StatusBadGateway}}}
	add := func(port int, name string, match ir.Match, domains ...string) {
		c := cluster(name, "", backend(m.t, name))
		cfg.Clusters = append(cfg.Clusters, c)
		cfg.VirtualHosts = append(cfg.VirtualHosts, &ir.VirtualHost{
			Port: port, Name: name, Domains: domains, Routes: []ir.Route{{Match: match, Destinations: to(c)}},
		})
	}
	add(80, "exact", ir.Match{Path: prefix("/only")}, "a.b.test", "a", "10.1.1.1")
	add(80, "narrow", ir.Match{}, "*.b.test")
	add(80, "wide", ir.Match{}, "*.test")
	add(8080, "other-port", ir.Match{}, "a.b.test")
	add(8080, "all", ir.Match{}, "*")
	sortClusters(cfg)
	m.serve(cfg)
	for _, tt := range []struct {
		host, path string
		want       string
		status     int
	}{
		{"a.b.test", "/only", "exact", 200},
		{"A.B.Test", "/only", "exact", 200},
		{"a.b.test:80", "/only", "exact", 200},
		{"a", "/only", "exact", 200},
		{"10.1.1.1", "/only", "exact", 200},
		{"a.b.test", "/else", "", 404},
		{"x.b.test", "/else", "narrow", 200},
		{"x.y.b.test", "/else", "narrow", 200},
		{"b.test", "/", "wide", 200},
		{"c.test", "/", "wide", 200},
		{"a.b.test:8080", "/only", "other-port", 200},
		{"c.test:8080", "/", "all", 200},
		{"nowhere", "/", "", 502},
		{"nowhere:9999", "/", "", 502},
	} {
		res := m.do(request{host: tt.host, path: tt.path})
		if res.status != tt.status || tt.want != "" && res.body != tt.want {
			m.t.Errorf("%s%s is answered with %d %q, want %d %q", tt.host, tt.path, res.status, res.body, tt.status, tt.want)
		}
	}
}

func testSplit(m *mesh) {
	a, b := cluster("s", "a", backend(m.t, "a")), cluster("s", "b", backend(m.t, "b"))
	d := to(a, b)
	d[0].Weight, d[1].Weight = 3, 1
	m.serve(oneRoute("s", ir.Route{Destinations: d}, a, b))
	n := map[string]int{}
	for range 400 {
		n[m.do(request{host: "s", path: "/"}).body]++
	}
	if n["a"]+n["b"] != 400 || n["a"] < 280 || n["a"] > 320 {
		m.t.Errorf("3 to 1 of 400 requests: %v", n)
	}
}

func testFault(m *mesh) {
	c := cluster("f", "", backend(m.t, "f"))
	abort := ir.Route{Destinations: to(c), Match: ir.Match{Path: exact("/abort")}, Fault: &ir.Fault{Abort: &ir.FaultAbort{Status: 555, Percentage: 100}}}
	delay := ir.Route{Destinations: to(c), Fault: &ir.Fault{Delay: &ir.FaultDelay{Duration: 300 * time.Millisecond, Percentage: 100}}}
	cfg := oneRoute("f", abort, c)
	cfg.VirtualHosts[0].Routes = append(cfg.VirtualHosts[0].Routes, delay)
	m.serve(cfg)
	if res := m.do(request{host: "f", path: "/abort"}); res.status != 555 {
		m.t.Errorf("got %+v", res)
	}
	if res := m.do(request{host: "f", path: "/"}); res.body != "f" || res.took < 300*time.Millisecond {
		m.t.Errorf("got %+v", res)
	}
}

// testTimeout counts the tries: a request that timed out must not be repeated on another endpoint.
func testTimeout(m *mesh) {
	var tries atomic.Int32
	slow := func() ir.Endpoint {
		return endpointOf(m.t, httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			tries.Add(1)
			select {
			case <-r.Context().Done():
			case <-time.After(patience):
			}
		})))
	}
	c := cluster("t", "", slow(), slow(), slow())
	m.serve(oneRoute("t", ir.Route{Destinations: to(c), Timeout: 200 * time.Millisecond}, c))
	res := m.do(request{host: "t", path: "/"})
	if res.status != http.StatusGatewayTimeout || res.took < 200*time.Millisecond || tries.Load() != 1 {
		m.t.Errorf("got %+v after %d tries", res, tries.Load())
	}
}

// testConnectFailure has one endpoint that nobody listens on: Istio's default policy tries another one.
func testConnectFailure(m *mesh) {
	dead := ir.Endpoint{Address: "127.0.0.1", Port: freePort(m.t), Weight: 1}
	c := cluster("c", "", dead, backend(m.t, "c"))
	m.serve(oneRoute("c", ir.Route{Destinations: to(c)}, c))
	for range 20 {
		if res := m.do(request{host: "c", path: "/", method: "POST"}); res.body != "c" {
			m.t.Fatalf("got %+v", res)
		}
	}
}

func testNoEndpoint(m *mesh) {
	c, full := cluster("n", ""), cluster("n", "full", backend(m.t, "full"))
	none := ir.Route{Destinations: to(c), Match: ir.Match{Path: exact("/none")}}
	cfg := oneRoute("n", none, c, full)
	cfg.VirtualHosts[0].Routes = append(cfg.VirtualHosts[0].Routes, ir.Route{Destinations: to(full)})
	m.serve(cfg)
	if res := m.do(request{host: "n", path: "/none"}); res.status != http.StatusServiceUnavailable {
		m.t.Errorf("got %+v, want 503 as on Envoy", res)
	}
	if res := m.do(request{host: "n", path: "/"}); res.body != "full" {
		m.t.Errorf("a destination without endpoints has taken its neighbour with it: %+v", res)
	}
}

// testConnectionPool counts the requests on each connection to an endpoint.
func testConnectionPool(m *mesh) {
	requests := map[string]int{}
	var mu sync.Mutex
	counting := func() ir.Endpoint {
		return endpointOf(m.t, httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			requests[r.RemoteAddr]++
		})))
	}
	c := cluster("k", "", counting())
	c.MaxRequestsPerConnection = 3
	m.serve(oneRoute("k", ir.Route{Destinations: to(c)}, c))
	for range 30 {
		m.do(request{host: "k", path: "/"})
	}
	most, all := 0, 0
	for _, n := range requests {
		most, all = max(most, n), all+n
	}
	if most != 3 || all != 30 {
		m.t.Errorf("%d requests, up to %d on one connection, want 30 and 3", all, most)
	}
}

// testChange changes endpoints and routes under load: not one request may fail.
func testChange(m *mesh) {
	one, two := backend(m.t, "one"), backend(m.t, "two")
	route := func(e ...ir.Endpoint) *ir.Config {
		c := cluster("z", "", e...)
		return oneRoute("z", ir.Route{Destinations: to(c)}, c)
	}
	m.serve(route(one))
	stop, done := make(chan struct{}), make(chan []response)
	for range 4 {
		go func() {
			var bad []response
			for {
				select {
				case <-stop:
					done <- bad
					return
				default:
					if res := m.do(request{host: "z", path: "/"}); res.status != http.StatusOK {
						bad = append(bad, res)
					}
				}
			}
		}()
	}
	for range 5 {
		m.serve(route(two))
		m.serve(route(one, two))
		next := route(one)
		next.VirtualHosts[0].Routes = append([]ir.Route{{
			Name: "new", Match: ir.Match{Path: exact("/new")}, Destinations: to(next.Clusters...),
		}}, next.VirtualHosts[0].Routes...)
		m.serve(next)
	}
	close(stop)
	for range 4 {
		if bad := <-done; len(bad) > 0 {
			m.t.Errorf("%d requests failed, the first with %+v", len(bad), bad[0])
		}
	}
	if res := m.do(request{host: "z", path: "/"}); res.body != "one" {
		m.t.Errorf("got %+v", res)
	}
}

// oneRoute is a configuration with one virtual host and one route.
func oneRoute(host string, r ir.Route, clusters ...*ir.Cluster) *ir.Config {
	cfg := &ir.Config{
		VirtualHosts: []*ir.VirtualHost{{Port: 80, Name: host, Domains: []string{host}, Routes: []ir.Route{r}}},
		Clusters:     clusters,
	}
	sortClusters(cfg)
	return cfg
}

func sortClusters(cfg *ir.Config) {
	slices.SortFunc(cfg.Clusters, func(a, b *ir.Cluster) int { return strings.Compare(a.Name, b.Name) })
}
