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
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// tcpServer serves each connection until serve returns.
func tcpServer(t *testing.T, address string, serve func(net.Conn)) ir.Endpoint {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	a := netip.MustParseAddrPort(l.Addr().String())
	return ir.Endpoint{Address: a.Addr().String(), Port: int(a.Port()), Weight: 1}
}

// greeter is a server that speaks first, as databases do: it says its name and where the client comes from.
func greeter(t *testing.T, address, name string) ir.Endpoint {
	t.Helper()
	return tcpServer(t, address, func(c net.Conn) {
		from, _, _ := net.SplitHostPort(c.RemoteAddr().String())
		_, _ = io.WriteString(c, name+" "+from)
	})
}

// greeting is what a server that speaks first says to a client that says nothing; empty when the connection is closed.
func greeting(t *testing.T, from, address string) string {
	t.Helper()
	d := net.Dialer{Timeout: patience}
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	c, err := d.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	b, _ := io.ReadAll(c)
	return string(b)
}

// speaker says its name to who speaks TLS with it.
func speaker(t *testing.T, name string) ir.Endpoint {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }))
	t.Cleanup(s.Close)
	return endpointOf(t, s)
}

// overTLS is what the server behind a name says; empty when the connection is closed.
func overTLS(t *testing.T, from, address, name string) string {
	t.Helper()
	d := net.Dialer{Timeout: patience}
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	c := http.Client{Timeout: patience, Transport: &http.Transport{
		DialContext:       d.DialContext,
		DisableKeepAlives: true,
		// The servers' certificates are for another name.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: name},
	}}
	res, err := c.Get("https://" + address + "/")
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return string(b)
}

// testTCP sends connections to the listener for TCP, which were not captured: what the client means is the listener.
func testTCP(m *mesh) {
	stream := netip.MustParseAddrPort(m.Stream)
	at := func(sni string) ir.TCPMatch { return ir.TCPMatch{Port: int(stream.Port()), SNI: sni} }
	exact, below, rest := cluster("tcp", "exact", speaker(m.t, "exact")), cluster("tcp", "below", speaker(m.t, "below")), cluster("tcp", "rest", speaker(m.t, "rest"))
	cfg := &ir.Config{
		Clusters: []*ir.Cluster{exact, below, rest},
		TCP: []ir.TCPRoute{
			{Match: at(""), Destinations: to(rest)},
			{Match: at("*.example.com"), Destinations: to(below)},
			{Match: at("a.example.com"), Destinations: to(exact)},
		},
	}
	sortClusters(cfg)
	m.serve(cfg)
	m.Eventually(m.t, "the routes for TLS are served", func() bool { return overTLS(m.t, "", m.Stream, "a.example.com") == "exact" })
	for name, want := range map[string]string{
		"A.example.com": "exact", "b.example.com": "below", "c.b.example.com": "below", "example.com": "rest", "other.test": "rest", "": "rest",
	} {
		if got := overTLS(m.t, "", m.Stream, name); got != want {
			m.t.Errorf("TLS to %q: got %q, want %q", name, got, want)
		}
	}

	first, second, nobody := cluster("tcp", "first", greeter(m.t, "127.0.0.1:0", "first")), cluster("tcp", "second", greeter(m.t, "127.0.0.1:0", "second")), cluster("tcp", "nobody")
	cfg = &ir.Config{
		Clusters: []*ir.Cluster{first, nobody, second},
		TCP: []ir.TCPRoute{
			{Match: ir.TCPMatch{Port: int(stream.Port()), Address: netip.PrefixFrom(stream.Addr(), 32)}, Destinations: []ir.Destination{
				{Cluster: first.Name, Weight: 3}, {Cluster: second.Name, Weight: 1},
			}},
			{Inbound: true, Match: ir.TCPMatch{}, Destinations: to(second)},
		},
	}
	m.serve(cfg)
	m.Eventually(m.t, "the routes for a server that speaks first are served", func() bool {
		return strings.HasPrefix(greeting(m.t, "", m.Stream), "first") && greeting(m.t, "", m.InboundStream) == "second 127.0.0.1"
	})
	got := map[string]int{}
	for range 40 {
		got[greeting(m.t, "", m.Stream)]++
	}
	// Each worker counts by itself.
	if n := got["second 127.0.0.1"]; n < 8 || n > 12 || got["first 127.0.0.1"] != 40-n {
		m.t.Errorf("a quarter of the connections is for the second: %v", got)
	}

	cfg = &ir.Config{
		Clusters: []*ir.Cluster{first, nobody, second},
		TCP:      []ir.TCPRoute{{Match: at(""), Destinations: to(nobody)}, {Inbound: true, Match: ir.TCPMatch{}, HTTP: ir.OnlyHTTP}},
	}
	m.serve(cfg)
	m.Eventually(m.t, "who means nobody is turned away", func() bool {
		return greeting(m.t, "", m.Stream) == "" && greeting(m.t, "", m.InboundStream) == ""
	})
}

// testTCPConnectFailure has one endpoint that nobody listens on: unlike requests, connections are not tried again.
func testTCPConnectFailure(m *mesh) {
	dead := ir.Endpoint{Address: "127.0.0.1", Port: freePort(m.t), Weight: 1}
	c := cluster("tcp", "", dead, greeter(m.t, "127.0.0.1:0", "alive"))
	m.serve(&ir.Config{Clusters: []*ir.Cluster{c}, TCP: []ir.TCPRoute{{Destinations: to(c)}}})
	m.Eventually(m.t, "the route is served", func() bool { return greeting(m.t, "", m.Stream) != "" })
	got := map[string]int{}
	for range 20 {
		got[greeting(m.t, "", m.Stream)]++
	}
	// Each worker counts by itself.
	if n := got[""]; n < 8 || n > 12 || got["alive 127.0.0.1"] != 20-n {
		m.t.Errorf("half of the connections fail: %v", got)
	}
}

// testInbound sends requests to the listener for what is sent to the workload.
func testInbound(m *mesh) {
	web, rest, known := cluster("inbound", "web", backend(m.t, "web")), cluster("inbound", "rest", backend(m.t, "rest")), cluster("known", "", backend(m.t, "known"))
	all := func(c *ir.Cluster) []ir.Route { return []ir.Route{{Destinations: to(c)}} }
	cfg := &ir.Config{
		Clusters: []*ir.Cluster{web, rest, known},
		VirtualHosts: []*ir.VirtualHost{
			{Port: 8080, Name: "known", Domains: []string{"known"}, Routes: all(known)},
			{Inbound: true, Name: "inbound", Domains: []string{"*"}, Routes: all(rest)},
			{Inbound: true, Port: 8080, Name: "inbound", Domains: []string{"*"}, Routes: all(web)},
			{Inbound: true, Port: 8081, Name: "inbound", Domains: []string{"*"}, Routes: []ir.Route{{DirectResponse: &ir.DirectResponse{Status: http.StatusForbidden}}}},
		},
		CatchAll: &ir.Route{Name: "block_all", DirectResponse: &ir.DirectResponse{Status: http.StatusBadGateway}},
	}
	sortClusters(cfg)
	m.serve(cfg)
	inbound := *m
	inbound.base = "http://" + m.Inbound
	for _, tt := range []struct {
		on   *mesh
		host string
		want response
	}{
		{&inbound, "known:8080", response{status: 200, body: "web"}},
		{&inbound, "anything:9999", response{status: 200, body: "rest"}},
		{&inbound, "anything:8081", response{status: http.StatusForbidden}},
		{m, "known:8080", response{status: 200, body: "known"}},
		{m, "anything:8080", response{status: http.StatusBadGateway}},
		{m, "anything:9999", response{status: http.StatusBadGateway}},
	} {
		if got := tt.on.do(request{host: tt.host, path: "/"}); got.status != tt.want.status || tt.want.body != "" && got.body != tt.want.body {
			m.t.Errorf("%s at %s: got %+v, want %+v", tt.host, tt.on.base, got, tt.want)
		}
	}
}
