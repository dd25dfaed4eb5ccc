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
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// testUpgrade has a connection that is silent for longer than the route's timeout once it is upgraded.
func testUpgrade(p *proxy) {
	p.upstream("upgrade", nil, serve(p.t, func(w http.ResponseWriter, r *http.Request) {
		c, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.WriteString(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: "+r.Header.Get("Upgrade")+"\r\n\r\n")
		_ = rw.Flush()
		line, err := rw.ReadString('\n')
		if err == nil {
			_, _ = io.WriteString(c, "echo "+line)
		}
	}))
	p.route("upgrade", "upgrade", object{
		"mesh-retry":  object{"timeout": 0.5, "per_try_timeout": 0.3, "attempts": 1, "on": list("5xx")},
		"mesh-mirror": object{"mirrors": []object{{"upstream_id": "upgrade"}}},
	})
	p.sync()
	conn, err := net.Dial("tcp", p.Address)
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: upgrade.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	r := bufio.NewReader(conn)
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusSwitchingProtocols {
		p.t.Fatalf("%+v", res)
	}
	time.Sleep(time.Second)
	_, _ = io.WriteString(conn, "hello\n")
	if line, err := r.ReadString('\n'); err != nil || line != "echo hello\n" {
		p.t.Errorf("%q %v", line, err)
	}
}

// testHTTP2 has clients that speak HTTP/2 without TLS.
func testHTTP2(p *proxy) {
	p.upstream("h2", nil, echo(p.t, "h2"))
	mirror, got := shadows(p, "mirror")
	p.upstream("h2-mirror", nil, mirror)
	p.route("h2", "h2", object{"mesh-mirror": object{"mirrors": []object{{"upstream_id": "h2-mirror"}}}})
	failures := failing(p, until(3, 503))
	p.upstream("h2-retry", nil, failures.address)
	p.route("h2-retry", "h2-retry", object{"mesh-retry": object{"attempts": 2, "on": list("5xx"), "timeout": 20}})
	p.upstream("h2-cut", nil, serve(p.t, func(w http.ResponseWriter, r *http.Request) {
		drip(w, r, 50*time.Millisecond, 200)
	}))
	p.route("h2-cut", "h2-cut", object{"mesh-retry": object{"timeout": 1}})
	p.route("h2-direct", "", object{"mesh-direct-response": object{"status": 418, "body": "text"}})
	p.sync()

	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("tcp", p.Address)
	}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: patience}
	do := func(method, url string, body io.Reader) response {
		p.t.Helper()
		req, err := http.NewRequest(method, "http://"+url, body)
		if err != nil {
			p.t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			return response{err: err}
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		return response{res.StatusCode, res.Header, string(b), err}
	}
	// A body whose length is not known before cannot be copied; the request is good without.
	unsized := func() io.Reader { return io.MultiReader(strings.NewReader("un"), strings.NewReader("sized")) }
	for _, tt := range []struct {
		method, body string
		reader       io.Reader
		copied       bool
	}{
		{"GET", "", nil, true},
		{"POST", "body", strings.NewReader("body"), true},
		{"POST", "unsized", unsized(), false},
		{"DELETE", "", nil, false},
		{"HEAD", "", nil, true},
	} {
		res := do(tt.method, "h2.test/"+tt.method+tt.body, tt.reader)
		if res.status != 200 || res.err != nil || tt.method != "HEAD" && res.got(p.t).Body != tt.body {
			p.t.Fatalf("%+v: %+v", tt, res)
		}
		if tt.copied {
			if s := p.next(got); s.Method != tt.method || s.Target != "/"+tt.method+tt.body || s.Body != tt.body || s.Host != "h2.test-shadow" {
				p.t.Errorf("%+v: the copy is %+v", tt, s)
			}
		}
	}
	if res := do("POST", "h2-retry.test/", unsized()); res.status != 200 || res.body != "POST unsized h2-retry.test" {
		p.t.Errorf("retry: %+v", res)
	}
	if res := do("GET", "h2-cut.test/", nil); res.status != 200 || res.err == nil || len(res.body) == 0 || len(res.body) >= 100 {
		p.t.Errorf("cut: %+v", res)
	}
	if res := do("GET", "h2-direct.test/", nil); res.status != 418 || res.body != "text" || res.err != nil {
		p.t.Errorf("direct: %+v", res)
	}
}
