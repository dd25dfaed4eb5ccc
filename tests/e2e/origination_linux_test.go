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
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// external serves HTTPS outside of the mesh, and remembers what clients say.
type external struct {
	mu       sync.Mutex
	sni      string
	client   string
	requests int
}

func (p *pod) serveHTTPS(port int, cert tls.Certificate) *external {
	p.t.Helper()
	e := &external{}
	s := &http.Server{
		ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: patience,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.requests++
			e.sni, e.client = r.TLS.ServerName, ""
			if c := r.TLS.PeerCertificates; len(c) > 0 && len(c[0].DNSNames) > 0 {
				e.client = c[0].DNSNames[0]
			}
			_, _ = fmt.Fprintf(w, "%s %s", p.name, r.Host)
		}),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequestClientCert},
	}
	l := p.listen(port)
	go func() { _ = s.ServeTLS(l, "", "") }()
	p.t.Cleanup(func() { _ = s.Close() })
	return e
}

// seen is how many requests there were, with the last server name and client.
func (e *external) seen() (requests int, sni, client string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.requests, e.sni, e.client
}

func egress(host, address string, port int, tls string) string {
	return fmt.Sprintf(`apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: %[1]s, namespace: default}
spec:
  hosts: [%[1]s]
  addresses: [%[5]s]
  location: MESH_EXTERNAL
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: %[3]d}]
  resolution: STATIC
  endpoints: [{address: %[2]s}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: %[1]s, namespace: default}
spec:
  host: %[1]s
  trafficPolicy: {tls: %[4]s}
---
`, host, address, port, tls, "10.97.0."+fmt.Sprint(port%200))
}

// TestOrigination has a sidecar encrypt what its application sends to servers outside of the mesh.
func TestOrigination(t *testing.T) {
	trusted, stranger := newAuthority(t, "outside"), newAuthority(t, "stranger")
	files, err := os.MkdirTemp("", "tls")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(files) })
	if err := os.Chmod(files, 0o755); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	cert, key := trusted.issuePEM(t, now.Add(-time.Minute), time.Hour, "client.example")
	for name, content := range map[string][]byte{"ca.pem": trusted.root, "cert.pem": cert, "key.pem": key} {
		path := filepath.Join(files, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, proxyUser, proxyUser); err != nil {
			t.Fatal(err)
		}
	}
	ca := "caCertificates: " + filepath.Join(files, "ca.pem")
	mutual := "clientCertificate: " + filepath.Join(files, "cert.pem") + ", privateKey: " + filepath.Join(files, "key.pem") + ", " + ca
	valid := trusted.issue(t, now.Add(-time.Minute), time.Hour, "simple.example,mutual.example")
	cases := []struct {
		host    string
		cert    tls.Certificate
		tls     string
		refused bool
		client  string
	}{
		{host: "simple.example", cert: valid, tls: "{mode: SIMPLE, " + ca + "}"},
		{host: "mutual.example", cert: valid, tls: "{mode: MUTUAL, " + mutual + "}", client: "client.example"},
		{host: "san.example", cert: valid, tls: "{mode: SIMPLE, subjectAltNames: [other.example, mutual.example], " + ca + "}"},
		{host: "name.example", cert: valid, tls: "{mode: SIMPLE, " + ca + "}", refused: true},
		{host: "system.example", cert: trusted.issue(t, now.Add(-time.Minute), time.Hour, "system.example"), tls: "{mode: SIMPLE}", refused: true},
		{host: "ca.example", cert: stranger.issue(t, now.Add(-time.Minute), time.Hour, "ca.example"), tls: "{mode: SIMPLE, " + ca + "}", refused: true},
		{host: "expired.example", cert: trusted.issue(t, now.Add(-2*time.Hour), time.Hour, "expired.example"), tls: "{mode: SIMPLE, " + ca + "}", refused: true},
	}
	yaml := service("client", "10.96.0.11", "10.88.0.31", "{name: http, port: 80, targetPort: 8080}")
	for i, c := range cases {
		yaml += egress(c.host, "10.88.0.32", 9000+i, c.tls)
	}
	// Connections that are not HTTP are checked against the CA, and against no name where none is given.
	raw := func(host, address, settings string) string {
		return strings.ReplaceAll(strings.Replace(egress(host, "10.88.0.32", 9100, settings), "{number: 80, name: http, protocol: HTTP, ", "{number: 3306, name: tcp, protocol: TCP, ", 1),
			"10.97.0.100", address)
	}
	yaml += raw("lines.example", "10.97.0.220", "{mode: MUTUAL, "+mutual+"}") + raw("wrong.example", "10.97.0.221", "{mode: SIMPLE}")
	m := newMesh(t, yaml)
	client := m.newPod("client", "10.88.0.31").inject()
	outside := m.newPod("outside", "10.88.0.32")
	servers := make([]*external, len(cases))
	for i, c := range cases {
		servers[i] = outside.serveHTTPS(9000+i, c.cert)
	}
	outside.serveLines(tls.NewListener(outside.listen(9100), &tls.Config{Certificates: []tls.Certificate{valid}, ClientAuth: tls.RequireAnyClientCert}), "")
	client.ready()
	m.eventually("lines", func() error {
		if got := client.say("10.97.0.220:3306", "hello"); got != "outside hello" {
			return errors.New(got)
		}
		return nil
	})
	if got := client.say("10.97.0.221:3306", "hello"); strings.Contains(got, "hello") {
		t.Errorf("wrong.example: got %q", got)
	}
	for i, c := range cases {
		want := "200 outside " + c.host
		if c.refused {
			want = "502"
		}
		m.eventually(c.host, func() error {
			if got := client.get("10.97.0."+fmt.Sprint((9000+i)%200)+":80", c.host); !strings.HasPrefix(got, want) {
				return errors.New(got)
			}
			return nil
		})
		requests, sni, name := servers[i].seen()
		if c.refused && requests > 0 || !c.refused && (sni != c.host || name != c.client) {
			t.Errorf("%s: %d requests, server name %q, client %q", c.host, requests, sni, name)
		}
	}
}

// TestMixedService has a service that some endpoints of have a sidecar, and one has none.
func TestMixedService(t *testing.T) {
	const endpoints = `apiVersion: v1
kind: Service
metadata: {name: mixed, namespace: default}
spec:
  clusterIP: 10.96.0.20
  selector: {app: mixed}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: tcp, port: 3306, targetPort: 3306}]
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: with, namespace: default}
spec: {address: 10.88.0.20, labels: {app: mixed, security.istio.io/tlsMode: istio}, serviceAccount: mixed}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: without, namespace: default}
spec: {address: 10.88.0.21, labels: {app: mixed}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: copied, namespace: default}
spec:
  hosts: [client]
  http:
  - route: [{destination: {host: client}}]
    mirror: {host: mixed}
---
`
	m := newMesh(t, endpoints+service("client", "10.96.0.11", "10.88.0.33", "{name: http, port: 80, targetPort: 8080}"))
	client := m.newPod("client", "10.88.0.33").inject()
	with := m.newPod("with", "10.88.0.20")
	with.labels, with.account = map[string]string{"app": "mixed"}, "mixed"
	with.inject()
	without := m.newPod("without", "10.88.0.21")
	m.apply("peers", strict+`---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: client, namespace: default}
spec: {selector: {matchLabels: {app: client}}, mtls: {mode: PERMISSIVE}}
`)
	copies := map[string]*counter{}
	for _, p := range []*pod{with, without} {
		copies[p.name] = p.countHTTP(8080)
		p.serveTCP(3306, "")
	}
	client.serveHTTP(8080)
	client.ready()
	with.ready()
	both := func(what, address string, f func(string) string) {
		t.Helper()
		m.eventually(what, func() error {
			got := map[string]int{}
			for range 20 {
				got[strings.Fields(strings.TrimPrefix(f(address), "200 ") + " -")[0]]++
			}
			if got["with"]+got["without"] != 20 || got["with"] == 0 || got["without"] == 0 {
				return fmt.Errorf("%v", got)
			}
			return nil
		})
	}
	both("HTTP", "10.96.0.20:80", func(a string) string { return client.get(a, "mixed") })
	both("TCP", "10.96.0.20:3306", func(a string) string { return client.say(a, "hello") })
	// The endpoint with a sidecar takes mutual TLS only, also of copies.
	m.eventually("copies", func() error {
		if got := client.get("10.96.0.11:80", "client"); !strings.HasPrefix(got, "200 client") {
			return errors.New(got)
		}
		if a, b := copies["with"].of("client-shadow"), copies["without"].of("client-shadow"); a == 0 || b == 0 {
			return fmt.Errorf("%d copies to the endpoint with a sidecar, and %d to that without", a, b)
		}
		return nil
	})
}

// counter counts requests by their hosts.
type counter struct {
	mu    sync.Mutex
	hosts map[string]int
}

func (c *counter) of(host string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hosts[host]
}

// countHTTP answers every request with the pod's name.
func (p *pod) countHTTP(port int) *counter {
	p.t.Helper()
	c := &counter{hosts: map[string]int{}}
	s := &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.hosts[r.Host]++
		c.mu.Unlock()
		_, _ = io.WriteString(w, p.name)
	})}
	l := p.listen(port)
	go func() { _ = s.Serve(l) }()
	p.t.Cleanup(func() { _ = s.Close() })
	return c
}
