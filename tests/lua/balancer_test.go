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
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// member is a node of an upstream of the type mesh.
type member struct {
	address  string
	metadata object
}

func members(addresses ...string) []member {
	list := make([]member, len(addresses))
	for i, a := range addresses {
		list[i].address = a
	}
	return list
}

// balanced is a route <name>.test to an upstream of the type mesh, and is served when it returns.
func (p *proxy) balanced(name string, conf object, list ...member) {
	p.t.Helper()
	nodes := []object{}
	for _, m := range list {
		host, port, _ := strings.Cut(m.address, ":")
		node := object{"host": host, "port": number(p.t, port), "weight": 1}
		if m.metadata != nil {
			node["metadata"] = m.metadata
		}
		nodes = append(nodes, node)
	}
	if len(nodes) == 1 {
		nodes = append(nodes, object{"host": nodes[0]["host"], "port": nodes[0]["port"], "weight": 0})
	}
	p.put("upstreams", name, object{
		"id": name, "type": "mesh", "nodes": nodes, "retries": 0, "discovery_args": object{"mesh": conf},
		"hash_on": "vars", "key": "arg_mesh_hash_key",
	})
	p.route(name, name, object{})
	p.sync()
}

// shares is how many of n requests each backend answers, and each status without one.
func (p *proxy) shares(n int, host string) map[string]int {
	p.t.Helper()
	out := map[string]int{}
	for range n {
		r := p.do(request{host: host})
		if name := r.header.Get("X-Backend"); name != "" {
			out[name]++
		} else {
			out[http.StatusText(r.status)]++
		}
	}
	return out
}

// about holds a count against a share of n: within four standard deviations and a bit.
func (p *proxy) about(what string, got, n int, share float64) {
	p.t.Helper()
	want := share * float64(n)
	if slack := 0.15*float64(n) + 2; float64(got) < want-slack || float64(got) > want+slack {
		p.t.Errorf("%s: got %d of %d requests, want about %.0f", what, got, n, want)
	}
}

// sick is a backend that answers with the status, as long as that is not 200.
func (p *proxy) sick(name string, status *atomic.Int32) string {
	return serve(p.t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Backend", name)
		w.WriteHeader(int(status.Load()))
	})
}

// ejects is an outlier detection that takes two errors, and lets an endpoint go for half a second.
func ejects(more object) object {
	conf := object{"consecutive_5xx_errors": 2, "interval": 0.1, "base_ejection_time": 0.5, "max_ejection_percent": 100}
	for k, v := range more {
		conf[k] = v
	}
	return conf
}

func testBalancerPolicies(p *proxy) {
	a, b, c := echo(p.t, "a"), echo(p.t, "b"), echo(p.t, "c")
	p.balanced("random", object{"policy": "random"}, members(a, b, c)...)
	got := p.shares(300, "random.test")
	for _, name := range []string{"a", "b", "c"} {
		p.about("random "+name, got[name], 300, 1./3)
	}
	p.balanced("round", object{"policy": "round_robin"}, members(a, b, c)...)
	if got := p.shares(30, "round.test"); got["a"] != 10 || got["b"] != 10 || got["c"] != 10 {
		p.t.Errorf("round robin: %v", got)
	}
	p.balanced("least", object{"policy": "least_request"}, members(a, b, c)...)
	if got := p.shares(60, "least.test"); len(got) != 3 {
		p.t.Errorf("least request: %v", got)
	}
	p.balanced("alone", object{"policy": "least_request"}, members(a)...)
	if got := p.shares(5, "alone.test"); got["a"] != 5 {
		p.t.Errorf("a single node: %v", got)
	}
	p.balanced("ring", object{"policy": "consistent_hash"}, members(a, b, c)...)
	p.route("ring", "ring", object{"mesh-hash": object{"keys": []object{{"header": "x-user"}}}})
	p.sync()
	seen := map[string]bool{}
	for i := range 40 {
		user := "x-user: " + strings.Repeat("u", i+1)
		first := p.do(request{host: "ring.test", headers: []string{user}}).got(p.t).Name
		again := p.do(request{host: "ring.test", headers: []string{user}}).got(p.t).Name
		if first != again {
			p.t.Errorf("%s went to %s and to %s", user, first, again)
		}
		seen[first] = true
	}
	if len(seen) != 3 {
		p.t.Errorf("all keys went to %v", seen)
	}
}

func testOutlierDetection(p *proxy) {
	var status atomic.Int32
	status.Store(500)
	ill := p.sick("ill", &status)
	p.balanced("outlier", object{"policy": "round_robin", "outlier_detection": ejects(nil)}, members(echo(p.t, "well"), ill)...)
	if got := p.shares(4, "outlier.test"); got["ill"] != 2 {
		p.t.Errorf("before two errors: %v", got)
	}
	if got := p.shares(10, "outlier.test"); got["well"] != 10 {
		p.t.Errorf("after two errors: %v", got)
	}
	status.Store(200)
	p.Eventually(p.t, "the endpoint comes back", func() bool { return p.shares(2, "outlier.test")["ill"] == 1 })

	// A connection that fails counts, too, and where nobody is left Envoy answers this.
	p.balanced("refused", object{"policy": "round_robin", "outlier_detection": ejects(nil)}, members(dead(p.t))...)
	if got := p.shares(2, "refused.test"); got["Bad Gateway"] != 2 {
		p.t.Errorf("before two failures: %v", got)
	}
	if r := p.do(request{host: "refused.test"}); r.status != http.StatusServiceUnavailable || r.body != "no healthy upstream" {
		p.t.Errorf("nobody is left: %+v", r)
	}

	// In a panic all of them are used.
	status.Store(500)
	p.balanced("panic", object{"policy": "round_robin", "outlier_detection": ejects(nil), "min_health_percent": 60},
		members(echo(p.t, "well"), ill)...)
	// The ejection on the way may begin the rotation anew.
	if n := p.shares(20, "panic.test")["ill"]; n < 8 || n > 12 {
		p.t.Errorf("in a panic: %d of 20 to the one that is ill", n)
	}

	// Retries go elsewhere, and what they retried is counted.
	p.balanced("retried", object{"policy": "round_robin", "outlier_detection": ejects(object{"base_ejection_time": 20})},
		members(echo(p.t, "well"), ill)...)
	p.route("retried", "retried", object{"mesh-retry": object{"attempts": 2, "on": list("5xx")}})
	p.sync()
	if got := p.shares(20, "retried.test"); got["well"] != 20 {
		p.t.Errorf("some requests saw the error that was to be retried: %v", got)
	}
	// By now it is ejected, so that there is nothing to retry.
	if status := p.do(request{host: "retried.test"}).header.Get("X-Apisix-Upstream-Status"); strings.Contains(status, "500") {
		p.t.Errorf("still retried: %s", status)
	}

	// Failures to connect by themselves.
	p.balanced("split", object{"policy": "round_robin", "outlier_detection": object{
		"split_external_local_origin_errors": true, "consecutive_local_origin_failures": 1, "interval": 1, "base_ejection_time": 30,
		"max_ejection_percent": 100, "consecutive_5xx_errors": 100,
	}}, members(ill, dead(p.t))...)
	p.shares(2, "split.test")
	if got := p.shares(10, "split.test"); got["ill"] != 10 {
		p.t.Errorf("split: %v", got)
	}
}

func testLocality(p *proxy) {
	var status atomic.Int32
	status.Store(200)
	near, next, far := p.sick("near", &status), echo(p.t, "next"), echo(p.t, "far")
	p.balanced("failover", object{"policy": "least_request", "outlier_detection": ejects(nil)},
		member{near, nil}, member{next, object{"priority": 1}}, member{far, object{"priority": 2}})
	if got := p.shares(20, "failover.test"); got["near"] != 20 {
		p.t.Errorf("all is well: %v", got)
	}
	status.Store(503)
	p.shares(2, "failover.test")
	if got := p.shares(10, "failover.test"); got["next"] != 10 {
		p.t.Errorf("the first level is ill: %v", got)
	}
	status.Store(200)
	p.Eventually(p.t, "the first level is back", func() bool { return p.shares(4, "failover.test")["near"] == 4 })

	// Retries stay where they are, or leave after every second try.
	status.Store(503)
	levels := []member{{near, nil}, {next, object{"priority": 1}}}
	p.balanced("stay", object{"policy": "random"}, levels...)
	p.balanced("leave", object{"policy": "random"}, levels...)
	p.route("stay", "stay", object{"mesh-retry": object{"attempts": 3, "on": list("5xx")}})
	p.route("leave", "leave", object{"mesh-retry": object{"attempts": 3, "on": list("5xx"), "remote_localities": true}})
	p.sync()
	if r := p.do(request{host: "stay.test"}); r.status != http.StatusServiceUnavailable {
		p.t.Errorf("with nothing but the first level: %+v", r)
	}
	if r := p.do(request{host: "leave.test"}); r.status != http.StatusOK {
		p.t.Errorf("the third try is not at the second level: %+v", r)
	}
	status.Store(200)

	// Copies of requests go the same way.
	one, gotOne := shadows(p, "one")
	two, gotTwo := shadows(p, "two")
	p.balanced("shadow", object{"policy": "random"}, member{one, nil}, member{two, object{"priority": 1}})
	p.route("shadowed", "failover", object{"mesh-mirror": object{"mirrors": []object{{"upstream_id": "shadow"}}}})
	p.sync()
	for range 5 {
		p.do(request{host: "shadowed.test"})
		p.next(gotOne)
	}
	if len(gotTwo) != 0 {
		p.t.Error("a copy went to the second level")
	}

	p.balanced("distribute", object{"policy": "round_robin", "locality_weighted": true},
		member{echo(p.t, "a1"), object{"locality": "a", "locality_weight": 80}},
		member{echo(p.t, "b1"), object{"locality": "b", "locality_weight": 20}},
		member{echo(p.t, "b2"), object{"locality": "b", "locality_weight": 20}})
	if got := p.shares(100, "distribute.test"); got["a1"] != 80 || got["b1"] != 10 || got["b2"] != 10 {
		p.t.Errorf("distribute: %v", got)
	}
}

func testWarmup(p *proxy) {
	conf := object{"policy": "round_robin", "warmup": object{"duration": 3600, "aggression": 1, "minimum_percent": 10}}
	a, b := echo(p.t, "old"), echo(p.t, "new")
	p.balanced("warmup", conf, members(a)...)
	if got := p.shares(10, "warmup.test"); got["old"] != 10 {
		p.t.Errorf("alone: %v", got)
	}
	// Both are cold: the first one has been there for no more than some seconds of an hour.
	p.balanced("warmup", conf, members(a, b)...)
	if got := p.shares(20, "warmup.test"); got["new"] < 8 {
		p.t.Errorf("both are cold: %v", got)
	}
	conf["warmup"] = object{"duration": 2, "aggression": 1, "minimum_percent": 10}
	p.balanced("warmup2", conf, members(a)...)
	p.shares(1, "warmup2.test")
	time.Sleep(2 * time.Second)
	p.balanced("warmup2", conf, members(a, b)...)
	if got := p.shares(22, "warmup2.test"); got["new"] > 6 {
		p.t.Errorf("the new one is cold: %v", got)
	}
	p.Eventually(p.t, "the new one is warm", func() bool { return p.shares(10, "warmup2.test")["new"] == 5 })
}

// gate is a backend that holds requests until it is opened.
type gate struct {
	address string
	inside  atomic.Int32
	mu      sync.Mutex
	opening chan struct{}
}

func (p *proxy) gate() *gate {
	g := &gate{opening: make(chan struct{})}
	g.address = serve(p.t, func(w http.ResponseWriter, _ *http.Request) {
		g.inside.Add(1)
		defer g.inside.Add(-1)
		g.mu.Lock()
		opening := g.opening
		g.mu.Unlock()
		<-opening
		w.Header().Set("X-Backend", "gate")
	})
	return g
}

// open lets all requests go, those that are held and those to come.
func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.opening)
}

// shut holds those to come.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.opening = make(chan struct{})
}

func testLimits(p *proxy) {
	g := p.gate()
	p.balanced("requests", object{"policy": "least_request", "connection_pool": object{"http2_max_requests": 2}}, members(g.address)...)
	var group sync.WaitGroup
	begin := func(host string) {
		group.Go(func() {
			if r := p.do(request{host: host}); r.status != http.StatusOK {
				p.t.Errorf("%s: %+v", host, r)
			}
		})
	}
	begin("requests.test")
	begin("requests.test")
	p.Eventually(p.t, "two requests are under way", func() bool { return g.inside.Load() == 2 })
	r := p.do(request{host: "requests.test"})
	if r.status != http.StatusServiceUnavailable || r.header.Get("X-Envoy-Overloaded") != "true" || !strings.HasSuffix(r.body, "reset reason: overflow") {
		p.t.Errorf("a third one: %+v", r)
	}
	g.open()
	group.Wait()
	p.Eventually(p.t, "there is room again", func() bool { return p.do(request{host: "requests.test"}).status == http.StatusOK })

	testRetryLimit(p)

	g = p.gate()
	p.balanced("connections", object{"policy": "least_request", "connection_pool": object{
		"max_connections": 1, "http1_max_pending_requests": 1,
	}}, members(g.address)...)
	begin("connections.test")
	p.Eventually(p.t, "a request is under way", func() bool { return g.inside.Load() == 1 })
	// One of two waits, and the other one is turned away.
	answers := make(chan response, 2)
	for range 2 {
		go func() { answers <- p.do(request{host: "connections.test"}) }()
	}
	if r := <-answers; r.status != http.StatusServiceUnavailable || r.header.Get("X-Envoy-Overloaded") != "true" {
		p.t.Errorf("one too many to wait: %+v", r)
	}
	if n := g.inside.Load(); n != 1 {
		p.t.Errorf("%d requests are under way", n)
	}
	g.open()
	if r := <-answers; r.status != http.StatusOK {
		p.t.Errorf("the one that waited: %+v", r)
	}
	group.Wait()
}

// testRetryLimit has a node that refuses connections, and one that holds requests until it is opened. A key that leads to the first
// one is found by a route that does not retry.
func testRetryLimit(p *proxy) {
	g := p.gate()
	for name, conf := range map[string]object{
		"retries": {"policy": "consistent_hash", "connection_pool": object{"max_retries": 1}},
		"budget":  {"policy": "consistent_hash", "retry_budget": object{"percent": 0, "min_retry_concurrency": 1}},
	} {
		p.balanced(name, conf, members(dead(p.t), g.address)...)
		hash := object{"keys": []object{{"header": "x-key"}}}
		p.route(name, name, object{"mesh-hash": hash, "mesh-retry": object{"attempts": 1}})
		p.route(name+"-not", name, object{"mesh-hash": hash})
	}
	p.sync()
	for _, name := range []string{"retries", "budget"} {
		host := name + ".test"
		g.shut()
		g.open()
		key := "x-key: k"
		for p.do(request{host: name + "-not.test", headers: []string{key}}).status != http.StatusBadGateway {
			if key += "k"; len(key) > 100 {
				p.t.Fatal("all keys lead to the same node")
			}
		}
		g.shut()
		held := make(chan response)
		go func() { held <- p.do(request{host: host, headers: []string{key}}) }()
		p.Eventually(p.t, "a retry is under way", func() bool { return g.inside.Load() == 1 })
		if r := p.do(request{host: host, headers: []string{key}}); r.status != http.StatusBadGateway {
			p.t.Errorf("%s: a second retry: %+v", host, r)
		}
		g.open()
		if r := <-held; r.status != http.StatusOK {
			p.t.Errorf("%s: the first retry: %+v", host, r)
		}
		p.Eventually(p.t, "there is room again", func() bool { return p.do(request{host: host, headers: []string{key}}).status == http.StatusOK })
	}
}
