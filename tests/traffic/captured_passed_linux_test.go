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
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/apisixconf"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// passedClient is where the connections come from that are looked at and passed on.
const passedClient = "127.0.0.88"

// collector is where connections have Lua's stream side collect all that it can.
const collector = "127.0.0.1:15100"

// addCollector adds it to the configuration.
func addCollector(config map[string]any) {
	nginx := config["nginx_config"].(map[string]any)
	const snippet = "stream_configuration_snippet"
	before, _ := nginx[snippet].(string)
	nginx[snippet] = before + "server {\n    listen " + collector + ";\n    preread_by_lua_block { collectgarbage() collectgarbage() }\n    return collected;\n}\n"
}

// testPassed looks at connections whose protocol nobody declared, of clients that take their time.
func testPassed(t *testing.T, m *mesh, run func(...string)) {
	run("iptables", "-t", "nat", "-A", "OUTPUT", "-s", passedClient, "-p", "tcp", "-j", "REDIRECT", "--to-ports", strconv.Itoa(apisixconf.OutboundPort))
	web := cluster("web", "", backend(t, "web"))
	web.Name, web.Port = "outbound|7000||web", 7000
	db := cluster("db", "", greeter(t, "127.0.0.1:0", "db"))
	db.Name, db.Port = "outbound|7001||db", 7001
	secure := cluster("secure", "", speaker(t, "secure"))
	secure.Name, secure.Port = "outbound|7000||secure", 7000
	cfg := &ir.Config{
		Clusters: []*ir.Cluster{web, db, secure},
		VirtualHosts: []*ir.VirtualHost{
			{Port: 7000, Name: "web", Domains: []string{"web"}, Routes: []ir.Route{{Destinations: to(web)}}},
		},
		TCP: []ir.TCPRoute{
			{Match: ir.TCPMatch{Port: 7000}, HTTP: ir.DetectHTTP, Destinations: to(db)},
			{Match: ir.TCPMatch{Port: 7000, SNI: "secure.example.com"}, HTTP: ir.DetectHTTP, Destinations: to(secure)},
			{Match: ir.TCPMatch{Port: 7001}, Destinations: to(db)},
		},
	}
	sortClusters(cfg)
	m.serve(cfg)
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(passedClient)}, Timeout: patience}
	dial := func() net.Conn {
		t.Helper()
		c, err := dialer.Dial("tcp", "127.77.0.1:7000")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(patience))
		return c
	}
	// ask sends a request in parts and is the status of the response and its body.
	ask := func(c net.Conn, r *bufio.Reader, parts ...string) string {
		for i, part := range parts {
			if i > 0 {
				time.Sleep(30 * time.Millisecond)
			}
			if _, err := io.WriteString(c, part); err != nil {
				return "error: " + err.Error()
			}
		}
		response, err := http.ReadResponse(r, nil)
		if err != nil {
			return "error: " + err.Error()
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return "error: " + err.Error()
		}
		return strconv.Itoa(response.StatusCode) + " " + string(body)
	}
	m.Eventually(t, "the routes are served", func() bool {
		c := dial()
		defer c.Close()
		return ask(c, bufio.NewReader(c), "GET / HTTP/1.1\r\nHost: web\r\n\r\n") == "200 web"
	})

	// What looked at a connection is collected while it carries HTTP, which must not notice.
	var kept []net.Conn
	for range 8 {
		kept = append(kept, dial())
	}
	time.Sleep(20 * time.Millisecond)
	for i, parts := range [][]string{
		{"G", "E", "T / HTT", "P/1.1\r\nHo", "st: web\r\n\r\n"},
		{"GET / HTTP/1.1\r\nHost: web\r\n\r\n"},
		{"GET / HTTP/1.1\r\nHost: web\r\n\r\n"},
	} {
		for _, c := range kept {
			if got := ask(c, bufio.NewReader(c), parts...); got != "200 web" {
				t.Fatalf("request %d of a connection: got %q\n%s", i, got, m.Log())
			}
		}
		// Any worker may take these.
		for range 16 {
			if got := greeting(t, "", collector); got != "collected" {
				t.Fatalf("nothing was collected: %q", got)
			}
		}
	}

	// A ClientHello that comes bit by bit.
	client := &http.Client{Timeout: patience, Transport: &http.Transport{
		DialContext:     func(context.Context, string, string) (net.Conn, error) { return &slow{Conn: dial()}, nil },
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "secure.example.com"},
	}}
	response, err := client.Get("https://secure.example.com/")
	if err != nil {
		t.Fatalf("TLS whose ClientHello comes bit by bit: %v\n%s", err, m.Log())
	}
	defer response.Body.Close()
	if body, _ := io.ReadAll(response.Body); string(body) != "secure" {
		t.Errorf("TLS whose ClientHello comes bit by bit: got %q", body)
	}
}

// slow writes the first bytes in parts.
type slow struct {
	net.Conn
	written int
}

func (s *slow) Write(b []byte) (int, error) {
	n := 0
	for s.written < 300 && n < len(b) {
		k, err := s.Conn.Write(b[n:min(n+60, len(b))])
		n += k
		s.written += k
		if err != nil {
			return n, err
		}
		time.Sleep(20 * time.Millisecond)
	}
	k, err := s.Conn.Write(b[n:])
	return n + k, err
}
