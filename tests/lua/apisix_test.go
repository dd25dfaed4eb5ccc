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
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/lua"
	"github.com/apisix-mesh/pilot-apisix/pkg/etcdapi"
	"github.com/apisix-mesh/pilot-apisix/tests/apisixtest"
)

const patience = apisixtest.Patience

type object = map[string]any

// proxy is an APISIX with the plugins.
type proxy struct {
	*apisixtest.APISIX
	t      *testing.T
	rounds *int
	// zone is whom it asks for addresses.
	zone *zone
}

// start runs APISIX with one worker: what a worker remembers is then what every request meets.
func start(t *testing.T) *proxy {
	t.Helper()
	z := newZone(t)
	a := apisixtest.Start(t, apisixtest.Options{
		Plugins: append(lua.Plugins(), "proxy-rewrite", "key-auth"), Workers: 1, RetryClasses: []string{"404_429"},
		Change: func(config map[string]any) {
			config["apisix"].(map[string]any)["dns_resolver"] = []string{z.address}
		},
	})
	return &proxy{APISIX: a, t: t, rounds: new(int), zone: z}
}

// upstream puts an upstream in place. nodes are host:port, each of weight 1, or with "=<weight>" behind.
func (p *proxy) upstream(id string, more object, nodes ...string) {
	p.t.Helper()
	list := []object{}
	for _, n := range nodes {
		address, weight, ok := strings.Cut(n, "=")
		if !ok {
			weight = "1"
		}
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			p.t.Fatal(err)
		}
		list = append(list, object{"host": host, "port": number(p.t, port), "weight": number(p.t, weight)})
	}
	value := object{"id": id, "type": "roundrobin", "nodes": list, "retries": 0}
	for k, v := range more {
		value[k] = v
	}
	p.put("upstreams", id, value)
}

// route sends what is for the host <name>.test through the plugins to the upstream, if there is one.
func (p *proxy) route(name, upstream string, plugins object) {
	p.t.Helper()
	value := object{"id": name, "hosts": []string{name + ".test"}, "uri": "/*", "plugins": plugins, "enable_websocket": true}
	if upstream != "" {
		value["upstream_id"] = upstream
	}
	p.put("routes", name, value)
}

func (p *proxy) put(kind, id string, value object) {
	p.t.Helper()
	b, err := json.Marshal(value)
	if err != nil {
		p.t.Fatal(err)
	}
	p.Store.Apply([]etcdapi.Op{{Key: "/apisix/" + kind + "/" + id, Value: b}})
}

// sync waits until what was put in place is served.
func (p *proxy) sync() {
	p.t.Helper()
	*p.rounds++
	name := "round" + strconv.Itoa(*p.rounds)
	p.route(name, "", object{"mesh-direct-response": object{"status": 299}})
	p.Eventually(p.t, "APISIX serves the configuration", func() bool {
		return p.do(request{host: name + ".test"}).status == 299
	})
}

// request is sent as it stands, byte by byte.
type request struct {
	// method is GET, and target / when they are empty.
	method, target, host string
	// headers are whole lines.
	headers []string
	body    string
}

type response struct {
	status int
	header http.Header
	body   string
	// err says how reading the response ended, if not well.
	err error
}

// do sends a request on a connection of its own. Without a response at all the status is 0.
func (p *proxy) do(r request) response {
	p.t.Helper()
	conn, err := net.Dial("tcp", p.Address)
	if err != nil {
		return response{err: err}
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if r.method == "" {
		r.method = http.MethodGet
	}
	if r.target == "" {
		r.target = "/"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", r.method, r.target, r.host)
	for _, h := range r.headers {
		b.WriteString(h + "\r\n")
	}
	if r.body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(r.body))
	}
	b.WriteString("\r\n" + r.body)
	if _, err := io.WriteString(conn, b.String()); err != nil {
		return response{err: err}
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: r.method})
	if err != nil {
		return response{err: err}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return response{res.StatusCode, res.Header, string(body), err}
}

// seen is what a backend has got of a request.
type seen struct {
	Name, Method, Target, Host, Body string
	Header                           http.Header
}

// got is what the backend says it has got.
func (r response) got(t *testing.T) seen {
	t.Helper()
	var s seen
	if err := json.Unmarshal([]byte(r.body), &s); err != nil {
		t.Fatalf("no answer of a backend: %d %q %v", r.status, r.body, r.err)
	}
	return s
}

// echo runs a backend that answers with what it has got, and returns its address.
func echo(t *testing.T, name string) string {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Backend", name)
		_ = json.NewEncoder(w).Encode(see(name, r))
	})
}

func see(name string, r *http.Request) seen {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		body = []byte(err.Error())
	}
	return seen{name, r.Method, r.RequestURI, r.Host, string(body), r.Header}
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.Listener.Addr().String()
}

// dead is an address on which nobody listens.
func dead(t *testing.T) string {
	t.Helper()
	return "127.0.0.1:" + strconv.Itoa(freePort(t))
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
