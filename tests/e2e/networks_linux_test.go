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
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// eastWest passes connections of TLS on by their server names, as a gateway between networks does, and remembers the last name.
type eastWest struct {
	mu  sync.Mutex
	sni string
	// to are addresses by server names.
	to map[string]string
}

func (p *pod) serveEastWest(port int, to map[string]string) *eastWest {
	p.t.Helper()
	e := &eastWest{to: to}
	l := p.listen(port)
	p.t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go e.pass(p, c)
		}
	}()
	return e
}

// recorded keeps what was read, and answers nothing.
type recorded struct {
	net.Conn
	read []byte
}

func (r *recorded) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	r.read = append(r.read, b[:n]...)
	return n, err
}

func (*recorded) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func (e *eastWest) pass(p *pod, c net.Conn) {
	defer c.Close()
	r := &recorded{Conn: c}
	var name string
	_ = tls.Server(r, &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		name = h.ServerName
		return nil, errors.New("that is all")
	}}).Handshake()
	e.mu.Lock()
	e.sni = name
	address := e.to[name]
	e.mu.Unlock()
	if address == "" {
		return
	}
	server, err := p.dial(p.t.Context(), address)
	if err != nil {
		return
	}
	defer server.Close()
	if _, err := server.Write(r.read); err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(server, c)
		_ = server.Close()
	}()
	_, _ = io.Copy(c, server)
}

// TestNetworks has a service of which the endpoints are in another network, behind a gateway.
func TestNetworks(t *testing.T) {
	m := newMesh(t, `apiVersion: v1
kind: Service
metadata: {name: eastwest, namespace: default, labels: {topology.istio.io/network: far}}
spec:
  clusterIP: 10.96.0.9
  externalIPs: [10.88.0.21]
  ports: [{name: tls, port: 15443}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: far, namespace: default}
spec:
  hosts: [far.mesh]
  addresses: [10.97.0.1]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}, {number: 3306, name: tcp, protocol: TCP}]
  endpoints: [{address: 10.88.0.10, network: far, serviceAccount: server, labels: {security.istio.io/tlsMode: istio}}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: other, namespace: default}
spec:
  hosts: [other.mesh]
  addresses: [10.97.0.2]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}]
  endpoints: [{address: 10.88.0.10, network: far, serviceAccount: other, labels: {security.istio.io/tlsMode: istio}}]
---
`+service("client", "10.96.0.11", "10.88.0.11", both))
	m.apply("peers", strict)
	client, server := m.newPod("client", "10.88.0.11").inject(), m.newPod("server", "10.88.0.10").inject()
	gateway := m.newPod("eastwest", "10.88.0.21").serveEastWest(15443, map[string]string{
		"outbound_.80_._.far.mesh": "10.88.0.10:8080", "outbound_.3306_._.far.mesh": "10.88.0.10:3306", "outbound_.80_._.other.mesh": "10.88.0.10:8080",
	})
	server.serveHTTP(8080)
	server.serveTCP(3306, "")
	client.ready()
	server.ready()
	expect := expecting(m)
	expect("HTTP", "200 server HTTP/1.1 far.mesh", func() string { return client.get("10.97.0.1:80", "far.mesh") })
	expect("TCP", "server hello", func() string { return client.say("10.97.0.1:3306", "hello") })
	expect("somebody else behind the gateway", "502", func() string { return client.get("10.97.0.2:80", "other.mesh") })
	gateway.mu.Lock()
	defer gateway.mu.Unlock()
	if gateway.sni != "outbound_.80_._.other.mesh" {
		t.Errorf("the gateway was asked for %q", gateway.sni)
	}
}
