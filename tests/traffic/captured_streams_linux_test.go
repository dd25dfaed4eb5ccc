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
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// streamClient is where the connections for TCP come from that are captured on their way out.
const streamClient = "127.0.0.77"

// pod is the address of the workload: who connects to it comes in through APISIX, but for APISIX itself, which is told by
// Istio's address for that.
const pod = "127.70.0.1"

// testCapturedStreams follows connections that are not HTTP to where they were going.
func testCapturedStreams(t *testing.T, m *mesh, run func(...string)) {
	run("iptables", "-t", "nat", "-A", "OUTPUT", "-s", streamClient, "-p", "tcp", "-j", "REDIRECT", "--to-ports", portOf(m.Stream))
	greeter(t, "127.70.0.2:3306", "outside")
	greeter(t, "127.70.0.3:3306", "pod-3")
	known := cluster("tcp", "", greeter(t, "127.0.0.1:0", "known"))
	passthrough := &ir.Cluster{Name: "PassthroughCluster", OriginalDst: true, ConnectTimeout: patience}
	headless := cluster("headless", "")
	headless.OriginalDst = true
	secure := cluster("secure", "", speaker(t, "secure"))
	cfg := &ir.Config{
		Clusters: []*ir.Cluster{known, passthrough, headless, secure},
		TCP: []ir.TCPRoute{
			{Destinations: to(passthrough)},
			{Match: ir.TCPMatch{Port: 3306}, Destinations: to(passthrough)},
			{Match: ir.TCPMatch{Port: 3306, Address: netip.MustParsePrefix("127.70.0.9/32")}, Destinations: to(known)},
			{Match: ir.TCPMatch{Port: 3306, Address: netip.MustParsePrefix("127.70.0.3/32")}, Destinations: to(headless)},
			{Match: ir.TCPMatch{Port: 443}, Destinations: to(passthrough)},
			{Match: ir.TCPMatch{Port: 443, SNI: "*.example.com"}, Destinations: to(secure)},
		},
	}
	sortClusters(cfg)
	m.serve(cfg)
	name := func(address string) string {
		first, _, _ := strings.Cut(greeting(t, streamClient, address), " ")
		return first
	}
	m.Eventually(t, "the routes for TCP are served", func() bool { return name("127.70.0.9:3306") == "known" })
	for address, want := range map[string]string{
		"127.70.0.2:3306": "outside", "127.70.0.3:3306": "pod-3", "127.70.0.9:3306": "known", "127.70.0.4:3306": "", "127.70.0.4:9999": "",
		// APISIX itself is no destination.
		m.Stream: "",
	} {
		if got := name(address); got != want {
			t.Errorf("connected to %s: got %q, want %q", address, got, want)
		}
	}
	if got := overTLS(t, streamClient, "127.70.0.9:443", "www.example.com"); got != "secure" {
		t.Errorf("TLS, by its server name: got %q", got)
	}
	if got := overTLS(t, streamClient, "127.70.0.9:443", "example.org"); got != "" {
		t.Errorf("TLS to nobody: got %q", got)
	}
}

// testCapturedInbound connects to the workload, whose server sees who is not captured again.
func testCapturedInbound(t *testing.T, m *mesh, application *http.Client, run func(...string)) {
	for port, listener := range map[string]string{"8080": m.Inbound, "50051": m.Inbound, "3306": m.InboundStream} {
		run("iptables", "-t", "nat", "-A", "OUTPUT", "-d", pod, "!", "-s", "127.0.0.6", "-p", "tcp", "--dport", port, "-j", "REDIRECT",
			"--to-ports", portOf(listener))
	}
	for _, port := range []string{"8080", "50051"} {
		l, err := net.Listen("tcp", net.JoinHostPort(pod, port))
		if err != nil {
			t.Fatal(err)
		}
		s := &httptest.Server{Listener: l, Config: &http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			from, _, _ := net.SplitHostPort(r.RemoteAddr)
			_, _ = fmt.Fprintf(w, "%s from %s through %d", r.Host, from, len(strings.Split(r.Header.Get("X-Forwarded-For"), ",")))
		})}}
		s.Config.Protocols.SetHTTP1(true)
		s.Config.Protocols.SetUnencryptedHTTP2(true)
		s.Start()
		t.Cleanup(s.Close)
	}
	greeter(t, pod+":3306", "database")
	web := &ir.Cluster{Name: "inbound|8080||", OriginalDst: true, ConnectTimeout: patience}
	grpc := &ir.Cluster{Name: "inbound|50051||", OriginalDst: true, ConnectTimeout: patience, HTTP2: true}
	passthrough := &ir.Cluster{Name: "PassthroughCluster", OriginalDst: true, ConnectTimeout: patience}
	rest := &ir.Cluster{Name: "InboundPassthroughCluster", OriginalDst: true, ConnectTimeout: patience}
	host := func(port int, c *ir.Cluster) *ir.VirtualHost {
		return &ir.VirtualHost{Inbound: true, Port: port, Name: "inbound", Domains: []string{"*"}, Routes: []ir.Route{{Destinations: to(c)}}}
	}
	cfg := &ir.Config{
		Clusters:     []*ir.Cluster{web, grpc, rest, passthrough},
		VirtualHosts: []*ir.VirtualHost{host(8080, web), host(50051, grpc)},
		CatchAll:     &ir.Route{Name: "allow_any", Destinations: to(passthrough)},
		TCP:          []ir.TCPRoute{{Inbound: true, Destinations: to(rest)}},
	}
	sortClusters(cfg)
	m.serve(cfg)
	at := func(port string) *mesh {
		a := *m
		a.base = "http://" + net.JoinHostPort(pod, port)
		return &a
	}
	if res := at("50051").do(request{host: "grpc", path: "/"}); res.body != "grpc from 127.0.0.6 through 1" {
		t.Errorf("a request for gRPC to the workload: got %+v", res)
	}
	// The workload may be a client of its own. Connections that are kept for the one way must not serve the other, in any worker.
	inbound, itself := at("8080"), at("8080")
	itself.client = application
	for range 60 {
		if res := inbound.do(request{host: "web", path: "/"}); res.body != "web from 127.0.0.6 through 1" {
			t.Fatalf("a request to the workload: got %+v", res)
		}
		if res := itself.do(request{host: "web", path: "/"}); res.body != "web from 127.0.0.6 through 2" {
			t.Fatalf("a request of the workload to itself: got %+v", res)
		}
		// Another worker may take the next ones. No request asks for this, as it would be passed on.
		inbound.client.CloseIdleConnections()
		itself.client.CloseIdleConnections()
	}
	m.Eventually(t, "a connection to the workload comes from Istio's address for that", func() bool {
		return greeting(t, "", pod+":3306") == "database 127.0.0.6"
	})
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}
