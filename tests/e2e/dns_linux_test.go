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

package e2e

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// resolve asks a name server, which the pod's rules take to the agent's when it is port 53.
func (p *pod) resolve(network, server, name string) string {
	var c net.Conn
	err := p.inside(func() (err error) {
		c, err = net.DialTimeout(network, server, 5*time.Second)
		return err
	})
	if err != nil {
		return "error: " + err.Error()
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	question := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeA)
	conn := &dns.Conn{Conn: c}
	if err := conn.WriteMsg(question); err != nil {
		return "error: " + err.Error()
	}
	answer, err := conn.ReadMsg()
	if err != nil {
		return "error: " + err.Error()
	}
	for _, rr := range answer.Answer {
		if a, ok := rr.(*dns.A); ok {
			return a.A.String()
		}
	}
	return dns.RcodeToString[answer.Rcode]
}

// TestDNS asks from inside of a pod, whose rules take what goes to name servers to the agent.
func TestDNS(t *testing.T) {
	m := newMesh(t, twoServices()+`apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: database, namespace: default}
spec:
  hosts: [database.example.com]
  addresses: [10.97.0.1]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{name: tcp, number: 3306, protocol: TCP}]
  endpoints: [{address: 10.88.0.12}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: unaddressed, namespace: default}
spec:
  hosts: [unaddressed.example.com]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{name: tcp, number: 3306, protocol: TCP}]
  endpoints: [{address: 10.88.0.12, ports: {tcp: 3307}}]
`)
	client, outside := m.newPod("client", "10.88.0.11"), m.newPod("outside", "10.88.0.12")
	client.rules = append(client.rules, "--redirect-dns", "--capture-all-dns")
	client.env = []string{"ISTIO_META_DNS_CAPTURE=true"}
	client.inject()
	outside.serveTCP(3306, "")
	outside.serveTCP(3307, "by a made up address: ")
	client.ready()
	for _, network := range []string{"udp", "tcp"} {
		for _, tt := range []struct{ name, want string }{
			{"server", "10.96.0.10"},
			{"server.default", "10.96.0.10"},
			{"server.default.svc.cluster.local", "10.96.0.10"},
			{"database.example.com", "10.97.0.1"},
		} {
			m.expect(network+": "+tt.name, tt.want, func() string { return client.resolve(network, "10.96.0.53:53", tt.name) })
		}
	}
	m.expect("and the address leads there", "outside hello", func() string { return client.say("10.97.0.1:3306", "hello") })

	// Istio makes up an address of the class E for a name without one (ISTIO_META_DNS_AUTO_ALLOCATE, by its controller in a cluster).
	var made string
	m.eventually("a ServiceEntry without addresses has one", func() error {
		made = client.resolve("udp", "10.96.0.53:53", "unaddressed.example.com")
		if net.ParseIP(made) == nil {
			return errors.New(made)
		}
		return nil
	})
	m.expect("and it leads there", "by a made up address: outside hello", func() string { return client.say(fmt.Sprintf("%s:3306", made), "hello") })
}
