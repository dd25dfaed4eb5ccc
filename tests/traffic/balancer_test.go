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
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// balanced serves one cluster under the host <name>.test.
func (m *mesh) balanced(name string, c *ir.Cluster) {
	m.t.Helper()
	m.serve(&ir.Config{
		Clusters: []*ir.Cluster{c},
		VirtualHosts: []*ir.VirtualHost{{
			Port: 80, Name: name + ".test", Domains: []string{name + ".test"}, Routes: []ir.Route{{Destinations: to(c)}},
		}},
	})
}

// failing answers with 500 as long as it is told to.
func failing(t *testing.T, name string, ill *atomic.Bool) ir.Endpoint {
	t.Helper()
	return endpointOf(t, httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if ill.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
		_, _ = io.WriteString(w, name)
	})))
}

// testBalancer has a DestinationRule's policies from a cluster on, with two workers that must agree.
func testBalancer(m *mesh) {
	var ill atomic.Bool
	ill.Store(true)
	c := cluster("outlier.test", "", failing(m.t, "only", &ill))
	c.Outliers = &ir.OutlierDetection{
		Consecutive5xxErrors: 2, Interval: 100 * time.Millisecond, BaseEjectionTime: time.Second, MaxEjectionPercent: 100,
	}
	m.balanced("outlier", c)
	get := func(host string) response { return m.do(request{host: host, path: "/", fresh: true}) }
	for range 2 {
		if r := get("outlier.test"); r.status != http.StatusInternalServerError {
			m.t.Errorf("before two errors: %+v", r)
		}
	}
	m.Eventually(m.t, "the last endpoint is ejected", func() bool { return get("outlier.test").body == "no healthy upstream" })
	ill.Store(false)
	m.Eventually(m.t, "the endpoint is back", func() bool { return get("outlier.test").body == "only" })

	// The nearer endpoints take everything while they are well.
	near, far := failing(m.t, "near", &ill), backend(m.t, "far")
	far.Priority = 1
	c = cluster("failover.test", "", near, far)
	c.Outliers = &ir.OutlierDetection{
		Consecutive5xxErrors: 2, Interval: 100 * time.Millisecond, BaseEjectionTime: time.Second, MaxEjectionPercent: 100,
	}
	m.balanced("failover", c)
	for range 20 {
		if r := get("failover.test"); r.body != "near" {
			m.t.Errorf("all is well: %+v", r)
		}
	}
	ill.Store(true)
	m.Eventually(m.t, "failover", func() bool { return get("failover.test").body == "far" })
	ill.Store(false)
	m.Eventually(m.t, "failback", func() bool { return get("failover.test").body == "near" })

	testRequestLimit(m, get)
}

func testRequestLimit(m *mesh, get func(string) response) {
	var inside atomic.Int32
	open := make(chan struct{})
	c := cluster("limit.test", "", endpointOf(m.t, httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		inside.Add(1)
		<-open
		_, _ = io.WriteString(w, "held")
	}))))
	c.Limits.Requests = 3
	m.balanced("limit", c)
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			if r := get("limit.test"); r.body != "held" {
				m.t.Errorf("within the limit: %+v", r)
			}
		})
	}
	m.Eventually(m.t, "three requests are under way", func() bool { return inside.Load() == 3 })
	for range 10 {
		if r := get("limit.test"); r.status != http.StatusServiceUnavailable {
			m.t.Errorf("a fourth one: %+v", r)
		}
	}
	close(open)
	group.Wait()
	m.Eventually(m.t, "there is room again", func() bool { return get("limit.test").body == "held" })
}

// holder is a server that says its name and then waits until the client goes away.
func holder(t *testing.T, name string) ir.Endpoint {
	t.Helper()
	return tcpServer(t, "127.0.0.1:0", func(c net.Conn) {
		_, _ = io.WriteString(c, name)
		_, _ = io.Copy(io.Discard, c)
	})
}

// testBalancerTCP is the same for connections that are not HTTP.
func testBalancerTCP(m *mesh) {
	stream := netip.MustParseAddrPort(m.Stream)
	serve := func(c *ir.Cluster) {
		m.serve(&ir.Config{
			Clusters: []*ir.Cluster{c},
			TCP:      []ir.TCPRoute{{Match: ir.TCPMatch{Port: int(stream.Port())}, Destinations: to(c)}},
		})
	}
	c := cluster("tcp.test", "one", holder(m.t, "one"))
	c.Limits.Connections = 1
	serve(c)
	first := func() string {
		conn, err := net.Dial("tcp", m.Stream)
		if err != nil {
			m.t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		b := make([]byte, 16)
		n, _ := conn.Read(b)
		return string(b[:n])
	}
	m.Eventually(m.t, "the limited cluster is served", func() bool { return first() == "one" })
	conn, err := net.Dial("tcp", m.Stream)
	if err != nil {
		m.t.Fatal(err)
	}
	defer conn.Close()
	b := make([]byte, 16)
	_ = conn.SetDeadline(time.Now().Add(patience))
	// The one before may not be gone yet.
	m.Eventually(m.t, "a connection is held", func() bool {
		if n, _ := conn.Read(b); n > 0 {
			return true
		}
		_ = conn.Close()
		conn, err = net.Dial("tcp", m.Stream)
		return err != nil
	})
	for range 10 {
		if got := first(); got != "" {
			m.t.Errorf("a second connection gets %q", got)
		}
	}
	_ = conn.Close()
	m.Eventually(m.t, "there is room again", func() bool { return first() == "one" })

	// Nobody listens at first, which ejects the endpoint.
	port := freePort(m.t)
	c = cluster("tcp.test", "late", ir.Endpoint{Address: "127.0.0.1", Port: port, Weight: 1})
	c.Outliers = &ir.OutlierDetection{Consecutive5xxErrors: 2, Interval: time.Second, BaseEjectionTime: 4 * time.Second, MaxEjectionPercent: 100}
	serve(c)
	m.Eventually(m.t, "the endpoint that is not there is served", func() bool {
		for range 20 {
			if first() != "" {
				return false
			}
		}
		return true
	})
	greeter(m.t, "127.0.0.1:"+strconv.Itoa(port), "late")
	if got := greeting(m.t, "", m.Stream); got != "" {
		m.t.Errorf("an ejected endpoint answers %q", got)
	}
	m.Eventually(m.t, "the endpoint is back", func() bool { return greeting(m.t, "", m.Stream) == "late 127.0.0.1" })
}
