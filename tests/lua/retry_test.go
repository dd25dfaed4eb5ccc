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
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// tries is a backend whose answers depend on how many requests it has had.
type tries struct {
	address string
	n       atomic.Int32
}

// failing answers what answer returns for the number of the try, from 1; 200 is answered with what the backend got.
func failing(p *proxy, answer func(n int) int) *tries {
	p.t.Helper()
	b := &tries{}
	b.address = serve(p.t, func(w http.ResponseWriter, r *http.Request) {
		n := int(b.n.Add(1))
		got := see("", r)
		switch s := answer(n); s {
		case http.StatusOK:
			_, _ = io.WriteString(w, got.Method+" "+got.Body+" "+got.Host)
		case hang:
			select {
			case <-r.Context().Done():
			case <-time.After(patience):
			}
		case reset:
			c, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_ = c.(*net.TCPConn).SetLinger(0)
				_ = c.Close()
			}
		default:
			w.WriteHeader(s)
			_, _ = io.WriteString(w, "failure "+strconv.Itoa(n))
		}
	})
	return b
}

// hang and reset are answers that are none.
const (
	hang  = -1
	reset = -2
)

// until answers with s up to the try n, and with 200 from then on.
func until(n, s int) func(int) int {
	return func(i int) int {
		if i < n {
			return s
		}
		return http.StatusOK
	}
}

// order answers with these, one after the other.
func order(statuses ...int) func(int) int {
	return func(i int) int { return statuses[min(i, len(statuses))-1] }
}

// list is one of conditions, and no null when it is empty.
func list(conditions ...string) []string {
	return append([]string{}, conditions...)
}

func testRetry(p *proxy) {
	for i, tt := range []struct {
		plugin object
		answer func(int) int
		method string
		// what the client gets, and the tries that it takes
		status int
		body   string
		tries  int
	}{
		{object{"attempts": 2, "on": list("5xx")}, until(3, 503), "GET", 200, "GET ", 3},
		{object{"attempts": 2, "on": list("5xx")}, until(3, 500), "POST", 200, "POST body", 3},
		{object{"attempts": 3, "on": list("5xx")}, until(99, 503), "GET", 503, "failure 4", 4},
		{object{"attempts": 1, "on": list("5xx")}, until(99, 500), "POST", 500, "failure 2", 2},
		{object{"attempts": 0, "on": list("5xx")}, until(99, 503), "GET", 503, "failure 1", 1},
		{object{"attempts": 2, "on": list("5xx")}, until(99, 404), "GET", 404, "failure 1", 1},
		{object{"on": list("5xx")}, until(2, 503), "GET", 503, "failure 1", 1},
		{object{"attempts": 2, "on": list("5xx")}, until(3, reset), "POST", 200, "POST body", 3},
		{object{"attempts": 2, "on": list("gateway-error")}, until(3, 502), "GET", 200, "GET ", 3},
		{object{"attempts": 2, "on": list("gateway-error")}, until(3, 500), "GET", 500, "failure 1", 1},
		{object{"attempts": 2, "on": list("reset")}, until(3, reset), "POST", 200, "POST body", 3},
		{object{"attempts": 2, "on": list("reset")}, until(3, 503), "GET", 503, "failure 1", 1},
		{object{"attempts": 2}, until(3, 503), "GET", 503, "failure 1", 1},
		{object{"attempts": 2}, until(3, reset), "POST", 502, "", 1},
		{object{"attempts": 2}, until(3, reset), "GET", 502, "", 1},
		{object{"attempts": 2, "on": list("5xx")}, until(3, 507), "POST", 200, "POST body", 3},
		{object{"attempts": 2, "on": list("5xx")}, until(99, 599), "GET", 599, "failure 3", 3},
		{object{"attempts": 2, "on": list("5xx")}, until(3, 409), "GET", 409, "failure 1", 1},
		{object{"attempts": 2, "on": list("5xx"), "statuses": []int{409}}, until(3, 409), "POST", 200, "POST body", 3},
		{object{"attempts": 1, "on": list(), "statuses": []int{503}}, until(2, 503), "GET", 200, "GET ", 2},
		{object{"attempts": 1, "on": list(), "statuses": []int{503}}, until(2, 502), "GET", 502, "failure 1", 1},
		{object{"attempts": 1, "on": list(), "statuses": []int{503}}, until(2, reset), "GET", 502, "", 1},
		{object{"attempts": 1, "on": list("connect-failure"), "statuses": []int{503}}, until(2, reset), "GET", 502, "", 1},
		{object{"attempts": 3, "on": list("reset"), "statuses": []int{503}}, order(503, reset, 503, 200), "POST", 200, "POST body", 4},
		{object{"attempts": 3, "on": list("reset"), "statuses": []int{503}}, order(reset, reset, 503, 503), "POST", 503, "failure 4", 4},
		{object{"attempts": 2, "on": list(), "statuses": []int{404, 429}}, order(404, 429, 200), "GET", 200, "GET ", 3},
		{object{"attempts": 2, "on": list(), "statuses": []int{404, 429}}, order(404, 503, 200), "GET", 503, "failure 2", 2},
		{object{"attempts": 2, "on": list(), "statuses": []int{302}}, order(302, 200), "GET", 302, "", 1},
		{object{"attempts": 8, "on": list("5xx")}, until(9, 500), "POST", 200, "POST body", 9},
		{object{"attempts": 8, "on": list("5xx")}, until(99, 500), "GET", 500, "failure 9", 9},
		{object{"attempts": 12, "on": list("5xx")}, until(99, 500), "GET", 500, "failure 9", 9},
		{object{"attempts": 12, "on": list("5xx")}, until(99, reset), "GET", 502, "", 13},
		{object{"attempts": 2, "on": list("connect-failure"), "timeout": 20}, until(3, 503), "GET", 503, "failure 1", 1},
		{nil, until(3, 503), "GET", 503, "failure 1", 1},
	} {
		name := "retry-" + strconv.Itoa(i)
		b := failing(p, tt.answer)
		p.upstream(name, nil, b.address)
		plugins := object{"mesh-headers": object{"response": values(set("x-filter", "yes"))}}
		if tt.plugin != nil {
			plugins["mesh-retry"] = tt.plugin
		}
		p.route(name, name, plugins)
		p.sync()
		r := request{host: name + ".test", method: tt.method}
		if tt.method == "POST" {
			r.body = "body"
		}
		res := p.do(r)
		if res.status != tt.status || !strings.HasPrefix(res.body, tt.body) || int(b.n.Load()) != tt.tries {
			p.t.Errorf("%v with %s: got %+v after %d tries, want %d %q after %d", tt.plugin, tt.method, res, b.n.Load(), tt.status, tt.body, tt.tries)
		}
		if res.status == 200 && !strings.HasSuffix(res.body, " "+name+".test") || res.header.Get("X-Filter") != "yes" {
			p.t.Errorf("%v: the location is not APISIX's: %+v", tt.plugin, res)
		}
	}
}

// testRetryBody repeats a request whose body nginx keeps in a file.
func testRetryBody(p *proxy) {
	b := failing(p, until(3, 503))
	p.upstream("retry-body", nil, b.address)
	p.route("retry-body", "retry-body", object{"mesh-retry": object{"attempts": 2, "on": list("5xx")}})
	p.sync()
	body := strings.Repeat("body", 1<<18)
	if res := p.do(request{host: "retry-body.test", method: "POST", body: body}); res.status != 200 || res.body != "POST "+body+" retry-body.test" {
		p.t.Errorf("%d and %d bytes after %d tries", res.status, len(res.body), b.n.Load())
	}
}

// testRetryNodes has more tries than nodes: they go round.
func testRetryNodes(p *proxy) {
	bad := func() *tries { return failing(p, until(99, 503)) }
	a, b := bad(), bad()
	for _, kind := range []string{"roundrobin", "least_conn", "chash", "ewma"} {
		a.n.Store(0)
		b.n.Store(0)
		id := "nodes-" + strings.ReplaceAll(kind, "_", "-")
		p.upstream(id, object{"type": kind, "hash_on": "vars", "key": "remote_addr"}, a.address, b.address)
		p.route(id, id, object{"mesh-retry": object{"attempts": 5, "on": list("5xx")}})
		p.sync()
		res := p.do(request{host: id + ".test"})
		if res.status != 503 || a.n.Load() != 3 || b.n.Load() != 3 {
			p.t.Errorf("%s: %+v after %d and %d tries", kind, res, a.n.Load(), b.n.Load())
		}
	}
	good := failing(p, until(1, 503))
	p.upstream("nodes-dead", nil, dead(p.t), dead(p.t), good.address)
	for class, plugin := range map[string]object{"none": {"attempts": 2}, "timeout": {"attempts": 2, "timeout": 20}, "5xx": {"attempts": 2, "on": list("5xx")}} {
		p.route("nodes-dead-"+class, "nodes-dead", object{"mesh-retry": plugin})
	}
	p.sync()
	for _, class := range []string{"none", "timeout", "5xx"} {
		for range 6 {
			if res := p.do(request{host: "nodes-dead-" + class + ".test", method: "POST", body: "b"}); res.status != 200 {
				p.t.Fatalf("%s: %+v", class, res)
			}
		}
	}
	// Two levels of priority: the lower one is for when the higher one has failed.
	high, low := bad(), bad()
	node := func(b *tries, priority int) object {
		host, port, _ := net.SplitHostPort(b.address)
		return object{"host": host, "port": number(p.t, port), "weight": 1, "priority": priority}
	}
	p.put("upstreams", "nodes-levels", object{"id": "nodes-levels", "type": "roundrobin", "nodes": []object{node(high, 1), node(low, 0)}})
	p.route("nodes-levels", "nodes-levels", object{"mesh-retry": object{"attempts": 4, "on": list("5xx")}})
	p.sync()
	if res := p.do(request{host: "nodes-levels.test"}); res.status != 503 || high.n.Load()+low.n.Load() != 5 || low.n.Load() < 2 {
		p.t.Errorf("levels: %+v after %d and %d tries", res, high.n.Load(), low.n.Load())
	}
}

// testRetryPauses has further tries that wait.
func testRetryPauses(p *proxy) {
	b := failing(p, until(99, 503))
	p.upstream("pauses", nil, b.address)
	p.route("pauses", "pauses", object{"mesh-retry": object{"attempts": 3, "on": list("5xx"), "backoff": 0.4}})
	p.route("pauses-cut", "pauses", object{"mesh-retry": object{"attempts": 3, "on": list("5xx"), "backoff": 1000, "timeout": 0.3}})
	p.sync()
	begun := time.Now()
	// Three times up to 0.4, 0.8 and 1.6 seconds, as chance wants: they are not likely to be all short.
	if res := p.do(request{host: "pauses.test"}); res.status != 503 || b.n.Load() != 4 || time.Since(begun) < 20*time.Millisecond {
		p.t.Errorf("%+v after %d tries and %v", res, b.n.Load(), time.Since(begun))
	}
	b.n.Store(0)
	begun = time.Now()
	if res := p.do(request{host: "pauses-cut.test"}); res.status != 504 || b.n.Load() != 1 || time.Since(begun) < 250*time.Millisecond {
		p.t.Errorf("%+v after %d tries and %v", res, b.n.Load(), time.Since(begun))
	}
}

// testRetryPreviousHosts has a key that leads to one endpoint, whose further tries go to it where they may.
func testRetryPreviousHosts(p *proxy) {
	a, b := failing(p, until(99, 503)), failing(p, until(99, 503))
	p.upstream("previous", object{"type": "chash", "hash_on": "vars", "key": "host"}, a.address, b.address)
	p.route("previous", "previous", object{"mesh-retry": object{"attempts": 3, "on": list("5xx"), "previous_hosts": true}})
	p.route("previous-not", "previous", object{"mesh-retry": object{"attempts": 3, "on": list("5xx")}})
	p.upstream("previous-mesh", object{"type": "mesh", "discovery_args": object{"mesh": object{"policy": "consistent_hash"}}, "hash_on": "vars", "key": "host"},
		a.address, b.address)
	p.route("previous-mesh", "previous-mesh", object{"mesh-retry": object{"attempts": 3, "on": list("5xx"), "previous_hosts": true}})
	p.sync()
	for host, same := range map[string]bool{"previous": true, "previous-not": false, "previous-mesh": true} {
		a.n.Store(0)
		b.n.Store(0)
		res := p.do(request{host: host + ".test"})
		if n, m := a.n.Load(), b.n.Load(); res.status != 503 || n+m != 4 || (n == 0 || m == 0) != same {
			p.t.Errorf("%s: %+v after %d and %d tries", host, res, n, m)
		}
	}
}

func testPerTryTimeout(p *proxy) {
	b := failing(p, until(2, hang))
	p.upstream("try", nil, b.address)
	p.route("try", "try", object{"mesh-retry": object{"attempts": 2, "per_try_timeout": 0.3, "on": list("5xx")}})
	c := failing(p, until(99, hang))
	p.upstream("try-connect", nil, c.address)
	p.route("try-connect", "try-connect", object{"mesh-retry": object{"attempts": 2, "per_try_timeout": 0.3}})
	p.sync()
	begun := time.Now()
	res := p.do(request{host: "try.test", method: "POST", body: "body"})
	if took := time.Since(begun); res.status != 200 || !strings.HasPrefix(res.body, "POST body") || b.n.Load() != 2 || took < 300*time.Millisecond {
		p.t.Errorf("%+v after %d tries and %v", res, b.n.Load(), took)
	}
	if res := p.do(request{host: "try-connect.test"}); res.status != http.StatusGatewayTimeout || c.n.Load() != 1 {
		p.t.Errorf("a timeout is no connection that failed: %+v after %d tries", res, c.n.Load())
	}
}

func testTimeout(p *proxy) {
	b := failing(p, until(99, hang))
	p.upstream("total", nil, b.address)
	p.route("total", "total", object{"mesh-retry": object{"attempts": 50, "per_try_timeout": 0.2, "timeout": 0.7, "on": list("5xx")}})
	p.route("total-single", "total", object{"mesh-retry": object{"timeout": 0.5}})
	p.route("total-upload", "total-upload", object{"mesh-retry": object{"timeout": 1, "attempts": 1, "on": list("5xx")}})
	p.upstream("total-upload", nil, echo(p.t, "upload"))
	slow := failing(p, func(int) int {
		time.Sleep(150 * time.Millisecond)
		return 503
	})
	p.upstream("total-slow", nil, slow.address)
	p.route("total-slow", "total-slow", object{"mesh-retry": object{"attempts": 50, "timeout": 0.7, "on": list("5xx")}})
	p.sync()
	for _, tt := range []struct {
		host        string
		b           *tries
		least, most int32
	}{
		// The last try is as long as what is left: tries at 0, 0.2, 0.4 and 0.6, and nginx counts in milliseconds.
		{"total", b, 3, 5}, {"total-single", b, 1, 1}, {"total-slow", slow, 2, 6},
	} {
		tt.b.n.Store(0)
		begun := time.Now()
		res := p.do(request{host: tt.host + ".test"})
		took := time.Since(begun)
		if n := tt.b.n.Load(); res.status != http.StatusGatewayTimeout || n < tt.least || n > tt.most || took < 500*time.Millisecond || took > patience/2 {
			p.t.Errorf("%s: %+v after %d tries and %v", tt.host, res, n, took)
		}
	}
	// Sending the request is not in the timeout.
	conn, err := net.Dial("tcp", p.Address)
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: total-upload.test\r\nConnection: close\r\nContent-Length: 6\r\n\r\n")
	for range 6 {
		time.Sleep(250 * time.Millisecond)
		_, _ = io.WriteString(conn, "x")
	}
	if answer, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200") || !strings.Contains(string(answer), "xxxxxx") {
		p.t.Errorf("a slow upload: %q %v", answer, err)
	}
}

// drip writes n bytes, one by one, while somebody reads them.
func drip(w http.ResponseWriter, r *http.Request, pause time.Duration, n int) {
	for range n {
		_, _ = io.WriteString(w, "x")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-time.After(pause):
		}
	}
}

// testTimeoutOfBodies has responses whose bodies take longer than the timeout, or nearly.
func testTimeoutOfBodies(p *proxy) {
	trickle := func(pause time.Duration, n int, sized bool) string {
		return serve(p.t, func(w http.ResponseWriter, r *http.Request) {
			if sized {
				w.Header().Set("Content-Length", strconv.Itoa(n))
			}
			drip(w, r, pause, n)
		})
	}
	p.upstream("body-long", nil, trickle(50*time.Millisecond, 200, false))
	p.upstream("body-sized", nil, trickle(50*time.Millisecond, 200, true))
	p.upstream("body-short", nil, trickle(20*time.Millisecond, 20, false))
	for _, class := range []string{"connect-failure", "5xx"} {
		for _, name := range []string{"body-long", "body-sized", "body-short"} {
			p.route(name+"-"+class, name, object{"mesh-retry": object{"timeout": 1, "on": list(class)}})
		}
	}
	p.sync()
	for _, class := range []string{"connect-failure", "5xx"} {
		for _, name := range []string{"body-long", "body-sized"} {
			begun := time.Now()
			res := p.do(request{host: name + "-" + class + ".test"})
			took := time.Since(begun)
			// All of it takes ten seconds. It must not look complete.
			if res.status != 200 || len(res.body) == 0 || len(res.body) >= 100 || res.err == nil || took < time.Second || took > 5*time.Second {
				p.t.Errorf("%s %s: %+v after %v", name, class, res, took)
			}
		}
		if res := p.do(request{host: "body-short-" + class + ".test"}); res.status != 200 || len(res.body) != 20 || res.err != nil {
			p.t.Errorf("%s: %+v", class, res)
		}
	}
}

// testRetryGRPC has gRPC requests: nginx makes further tries only where it has not sent them.
func testRetryGRPC(p *proxy) {
	slow := serveGRPC(p, "slow", func() error {
		time.Sleep(time.Second)
		return nil
	})
	p.upstream("retry-grpc", object{"scheme": "grpc"}, dead(p.t), serveGRPC(p, "good", nil))
	p.upstream("retry-grpc-slow", object{"scheme": "grpc"}, slow)
	for _, class := range []string{"connect-failure", "reset", "gateway-error", "5xx"} {
		p.route("retry-grpc-"+class, "retry-grpc", object{"mesh-retry": object{"attempts": 1, "timeout": 20, "on": list(class)}})
	}
	p.route("retry-grpc-slow", "retry-grpc-slow", object{"mesh-retry": object{"timeout": 0.3, "on": list("5xx")}})
	p.sync()
	for _, class := range []string{"connect-failure", "reset", "gateway-error", "5xx"} {
		for range 4 {
			header, err := p.call("retry-grpc-"+class+".test", "/a.B/C")
			if err != nil || !equal(header.Get("x-backend"), "good") || !equal(header.Get("x-authority"), "retry-grpc-"+class+".test") {
				p.t.Fatalf("%s: %v %v", class, header, err)
			}
		}
	}
	if _, err := p.call("retry-grpc-slow.test", "/a.B/C"); status.Code(err) != codes.Unavailable {
		p.t.Errorf("slow: %v", err)
	}
}
