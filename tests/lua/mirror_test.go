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
	"sync/atomic"
	"time"
)

// shadows is a backend that keeps what it gets.
func shadows(p *proxy, name string) (string, chan seen) {
	p.t.Helper()
	got := make(chan seen, 100)
	return serve(p.t, func(_ http.ResponseWriter, r *http.Request) { got <- see(name, r) }), got
}

// next is what a backend gets next.
func (p *proxy) next(got chan seen) seen {
	p.t.Helper()
	select {
	case s := <-got:
		return s
	case <-time.After(patience):
		p.t.Fatalf("no copy has arrived\n%s", p.Log())
		return seen{}
	}
}

func testMirror(p *proxy) {
	p.upstream("mirror", nil, echo(p.t, "real"))
	one, gotOne := shadows(p, "one")
	two, gotTwo := shadows(p, "two")
	zero, gotZero := shadows(p, "zero")
	p.upstream("mirror-one", nil, one, zero+"=0")
	p.upstream("mirror-two", nil, two)
	p.route("mirror", "mirror", object{"mesh-mirror": object{"mirrors": []object{{"upstream_id": "mirror-one"}}}})
	p.route("mirror-more", "mirror", object{
		"mesh-rewrite": object{"uri": object{"prefix": "/old", "rewrite": "/new"}, "authority": "rewritten.test"},
		"mesh-headers": object{"request": values(set("x-set", "set"))},
		"mesh-mirror":  object{"mirrors": []object{{"upstream_id": "mirror-one", "percentage": 100}, {"upstream_id": "mirror-two"}}},
	})
	p.route("mirror-never", "mirror", object{"mesh-mirror": object{"mirrors": []object{{"upstream_id": "mirror-one", "percentage": 0}}}})
	p.route("mirror-some", "mirror", object{"mesh-mirror": object{"mirrors": []object{{"upstream_id": "mirror-two", "percentage": 50}}}})
	p.sync()

	large := strings.Repeat("0123456789", 20000)
	for _, tt := range []struct {
		request
		shadow, host, target string
	}{
		{request{host: "mirror.test", target: "/a%2Fb?q=1"}, "mirror.test-shadow", "", ""},
		{request{host: "mirror.test:8080", method: "DELETE"}, "mirror.test-shadow:8080", "", ""},
		{request{host: "mirror.test", method: "POST", body: "body"}, "mirror.test-shadow", "", ""},
		{request{host: "mirror.test", method: "PUT", body: large}, "mirror.test-shadow", "", ""},
		{request{host: "mirror-more.test", target: "/old/x?q"}, "rewritten.test-shadow", "rewritten.test", "/new/x?q"},
	} {
		r := tt.request
		r.headers = []string{"X-List: 1", "X-List: 2", "Cookie: c"}
		got := p.do(r).got(p.t)
		all := []chan seen{gotOne}
		if tt.host != "" {
			all = append(all, gotTwo)
		}
		for _, c := range all {
			s := p.next(c)
			if s.Host != tt.shadow || s.Method != got.Method || s.Target != got.Target || s.Body != got.Body || got.Body != r.body {
				p.t.Errorf("%s %s%s: the copy is %s %s%s with %d bytes, want %s%s with %d", r.method, r.host, r.target,
					s.Method, s.Host, s.Target, len(s.Body), tt.shadow, got.Target, len(got.Body))
			}
			for _, h := range []string{"X-List", "Cookie", "X-Set", "X-Forwarded-For", "X-Forwarded-Proto", "X-Real-Ip", "X-Envoy-Original-Path"} {
				if !equal(s.Header.Values(h), got.Header.Values(h)...) {
					p.t.Errorf("%s: %s of the copy is %q, want %q", r.host, h, s.Header.Values(h), got.Header.Values(h))
				}
			}
		}
		if tt.host != "" && (got.Host != tt.host || got.Target != tt.target) {
			p.t.Errorf("%s: %+v", r.host, got)
		}
	}

	// Those after which a copy arrives that must, do not arrive before it.
	for _, r := range []request{
		{host: "mirror-never.test"},
		{host: "mirror.test", headers: []string{"Upgrade: websocket", "Connection: Upgrade"}},
		{host: "mirror.test", method: "POST", headers: []string{"Content-Type: application/grpc"}},
	} {
		p.do(r)
	}
	p.do(request{host: "mirror.test", target: "/last"})
	if s := p.next(gotOne); s.Target != "/last" {
		p.t.Errorf("this was mirrored: %+v", s)
	}
	const rounds = 60
	for range rounds {
		p.do(request{host: "mirror-some.test", target: "/some"})
	}
	p.do(request{host: "mirror-more.test", target: "/last"})
	some := 0
	for p.next(gotTwo).Target != "/last" {
		some++
	}
	// 30 are expected, with a standard deviation of 4.
	if some < 10 || some > 50 {
		p.t.Errorf("%d of %d were mirrored at 50%%", some, rounds)
	}
	if len(gotZero) > 0 {
		p.t.Error("a node without weight got a copy")
	}
}

// testMirrorBounds has mirrors that do not answer, or are not there.
func testMirrorBounds(p *proxy) {
	p.upstream("bounds", nil, echo(p.t, "real"))
	var held atomic.Int32
	stop := make(chan struct{})
	slow := serve(p.t, func(http.ResponseWriter, *http.Request) {
		held.Add(1)
		<-stop
	})
	p.t.Cleanup(func() { close(stop) })
	p.upstream("bounds-slow", nil, slow)
	p.upstream("bounds-dead", nil, dead(p.t))
	p.upstream("bounds-empty", nil)
	for _, name := range []string{"slow", "dead", "empty", "gone"} {
		p.route("bounds-"+name, "bounds", object{"mesh-mirror": object{"mirrors": []object{{"upstream_id": "bounds-" + name}}}})
	}
	p.sync()
	for _, name := range []string{"dead", "empty", "gone"} {
		for range 5 {
			if got := p.do(request{host: "bounds-" + name + ".test", method: "POST", body: "b"}).got(p.t); got.Body != "b" {
				p.t.Errorf("%s: %+v", name, got)
			}
		}
	}
	begun := time.Now()
	for range 300 {
		p.do(request{host: "bounds-slow.test"}).got(p.t)
	}
	// The mirror answers none of them.
	if took := time.Since(begun); took > patience/2 {
		p.t.Errorf("a slow mirror delays requests: %v", took)
	}
	p.Eventually(p.t, "copies arrive", func() bool { return held.Load() > 200 })
	if n := held.Load(); n > 256 {
		p.t.Errorf("%d copies are under way", n)
	}
}
