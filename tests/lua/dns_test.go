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
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// zone is a DNS server whose records live for a second. It counts questions.
type zone struct {
	address string
	mu      sync.Mutex
	records map[string][]string
	asked   map[string]int
}

func newZone(t *testing.T) *zone {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	z := &zone{address: conn.LocalAddr().String(), records: map[string][]string{}, asked: map[string]int{}}
	s := &dns.Server{PacketConn: conn, Handler: z}
	go func() { _ = s.ActivateAndServe() }()
	t.Cleanup(func() { _ = s.Shutdown() })
	return z
}

func (z *zone) set(name string, addresses ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records[name] = addresses
}

func (z *zone) questions(name string) int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.asked[name]
}

// ServeDNS implements dns.Handler.
func (z *zone) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
	z.mu.Lock()
	defer z.mu.Unlock()
	m := new(dns.Msg).SetReply(r)
	q := r.Question[0]
	name := strings.ToLower(strings.TrimSuffix(q.Name, "."))
	z.asked[name]++
	addresses, known := z.records[name]
	if !known {
		m.Rcode = dns.RcodeNameError
	}
	header := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: 1}
	for _, a := range addresses {
		ip := net.ParseIP(a)
		switch {
		case q.Qtype == dns.TypeA && ip.To4() != nil:
			m.Answer = append(m.Answer, &dns.A{Hdr: header, A: ip})
		case q.Qtype == dns.TypeAAAA && ip.To4() == nil:
			m.Answer = append(m.Answer, &dns.AAAA{Hdr: header, AAAA: ip})
		}
	}
	_ = w.WriteMsg(m)
}

// named has a backend at each address, all with the same port, which answer with their addresses.
func named(t *testing.T, addresses ...string) (port int) {
	t.Helper()
	for _, address := range addresses {
		l, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(port)))
		if err != nil {
			t.Fatal(err)
		}
		port = l.Addr().(*net.TCPAddr).Port
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(address + " " + r.Host))
		}))
		_ = s.Listener.Close()
		s.Listener = l
		s.Start()
		t.Cleanup(s.Close)
	}
	return port
}

// backends are those that answer requests for a host.
func (p *proxy) backends(host string, n int) []string {
	p.t.Helper()
	seen := map[string]bool{}
	for range n {
		res := p.do(request{host: host})
		backend, _, _ := strings.Cut(res.body, " ")
		if res.status != http.StatusOK {
			backend = strconv.Itoa(res.status)
		}
		seen[backend] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

// byName puts an upstream in place that has the nodes that a name stands for.
func (p *proxy) byName(id, name string, port int, mesh object) {
	p.t.Helper()
	node := func(weight int) object {
		return object{"host": "0.0.0.0", "port": port, "weight": weight, "metadata": object{"dns": name}}
	}
	p.put("upstreams", id, object{
		"id": id, "type": "mesh", "nodes": []object{node(1), node(0)}, "retries": 0, "discovery_args": object{"mesh": mesh},
	})
	p.route(id, id, object{})
}

func testDNS(p *proxy) {
	z := p.zone
	port := named(p.t, "127.0.0.2", "127.0.0.3", "127.0.0.4", "::1")
	z.set("all.names.test", "127.0.0.2", "127.0.0.3")
	z.set("one.names.test", "127.0.0.2")
	z.set("six.names.test", "::1")
	p.byName("dns-all", "all.names.test", port, object{"policy": "round_robin"})
	p.byName("dns-one", "one.names.test", port, object{"policy": "round_robin", "dns": "one"})
	p.byName("dns-six", "six.names.test", port, object{"policy": "least_request"})
	p.byName("dns-none", "no.names.test", port, object{"policy": "least_request", "dns_refresh": 1})
	p.sync()
	for host, want := range map[string][]string{
		"dns-all.test": {"127.0.0.2", "127.0.0.3"}, "dns-one.test": {"127.0.0.2"}, "dns-six.test": {"::1"}, "dns-none.test": {"503"},
	} {
		if got := p.backends(host, 10); !slices.Equal(got, want) {
			p.t.Errorf("%s: %v, want %v", host, got, want)
		}
	}
	asked := z.questions("all.names.test")
	p.backends("dns-all.test", 100)
	if n := z.questions("all.names.test") - asked; n > 20 {
		p.t.Errorf("%d questions for 100 requests", n)
	}
	z.set("all.names.test", "127.0.0.3", "127.0.0.4")
	z.set("one.names.test", "127.0.0.4", "127.0.0.3")
	p.Eventually(p.t, "other addresses are used", func() bool {
		return slices.Equal(p.backends("dns-all.test", 10), []string{"127.0.0.3", "127.0.0.4"}) && len(p.backends("dns-one.test", 10)) == 1 &&
			!slices.Equal(p.backends("dns-one.test", 1), []string{"127.0.0.2"})
	})
}

func testDynamicDNS(p *proxy) {
	z := p.zone
	port := named(p.t, "127.0.0.2", "::1")
	z.set("a.any.test", "127.0.0.2")
	z.set("b.any.test", "::1")
	node := func(weight int) object { return object{"host": "0.0.0.0", "port": 80, "weight": weight} }
	p.put("upstreams", "dynamic", object{
		"id": "dynamic", "type": "mesh", "nodes": []object{node(1), node(0)}, "retries": 1,
		"discovery_args": object{"mesh": object{"policy": "least_request", "dns": "host"}},
	})
	p.put("routes", "dynamic", object{"id": "dynamic", "hosts": []string{"*.any.test"}, "uri": "/*", "upstream_id": "dynamic"})
	p.put("routes", "dynamic-rewritten", object{
		"id": "dynamic-rewritten", "hosts": []string{"dynamic-rewritten.test"}, "uri": "/*", "upstream_id": "dynamic",
		"plugins": object{"mesh-rewrite": object{"authority": "a.any.test:" + strconv.Itoa(port)}, "mesh-retry": object{"attempts": 1, "on": list("5xx")}},
	})
	p.sync()
	colon := ":" + strconv.Itoa(port)
	for host, want := range map[string]string{
		"a.any.test" + colon: "127.0.0.2", "B.any.test" + colon: "::1", "c.any.test" + colon: "503", "dynamic-rewritten.test": "127.0.0.2",
	} {
		if got := p.backends(host, 3); !slices.Equal(got, []string{want}) {
			p.t.Errorf("%s: %v, want %s", host, got, want)
		}
	}
}
