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
	"fmt"
	"net/http"
	"testing"
	"time"
)

// serveApplicationTLS is an application that terminates TLS itself, with a certificate of an authority of its own.
func (p *pod) serveApplicationTLS(port int, ca *authority, name string) {
	p.t.Helper()
	pair := ca.issue(p.t, time.Now().Add(-time.Minute), time.Hour, name)
	s := &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s as %s", p.name, r.TLS.ServerName)
	})}
	l := tls.NewListener(p.listen(port), &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}})
	go func() { _ = s.Serve(l) }()
	p.t.Cleanup(func() { _ = s.Close() })
}

// getTLS is the answer to a request over the application's own TLS, and who the certificate is of.
func (p *pod) getTLS(address, name string) string {
	var seen string
	client := p.client(address)
	client.Transport.(*http.Transport).DisableKeepAlives = true
	client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{
		ServerName: name, InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			seen = fmt.Sprint(s.PeerCertificates[0].DNSNames)
			return nil
		},
	}
	got := fetch(client, "https://"+name+"/")
	return got + " " + seen
}

const externalTLS = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: %[1]s, namespace: default}
spec:
  hosts: [%[1]s.example.com]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{name: tls, number: 443, protocol: TLS}]
  endpoints: [{address: 10.88.0.12, ports: {tls: %[2]d}}]
---
`

// TestApplicationsTLS has applications speak TLS of their own: its server name decides where it goes, and nobody opens it.
func TestApplicationsTLS(t *testing.T) {
	ca := newAuthority(t, "somebody else")
	m := newMesh(t, service("server", "10.96.0.10", "10.88.0.10", "{name: https-app, port: 443, targetPort: 8443}, {name: tls-app, port: 8444, targetPort: 8444}")+
		service("client", "10.96.0.11", "10.88.0.11", both)+fmt.Sprintf(externalTLS, "red", 8441)+fmt.Sprintf(externalTLS, "blue", 8442))
	m.apply("peers", strict)
	server, client := m.newPod("server", "10.88.0.10").inject(), m.newPod("client", "10.88.0.11").inject()
	outside := m.newPod("outside", "10.88.0.12")
	server.serveApplicationTLS(8443, ca, "server.example.org")
	server.serveApplicationTLS(8444, ca, "server.example.org")
	outside.serveApplicationTLS(8441, ca, "red.example.com")
	outside.serveApplicationTLS(8442, ca, "blue.example.com")
	outside.serveApplicationTLS(443, ca, "elsewhere.example.com")
	server.ready()
	client.ready()

	// The address says nothing: there is nobody at the first one.
	m.expect("by one name", "200 outside as red.example.com [red.example.com]", func() string { return client.getTLS("10.88.0.250:443", "red.example.com") })
	m.expect("by the other", "200 outside as blue.example.com [blue.example.com]", func() string { return client.getTLS("10.88.0.250:443", "blue.example.com") })
	m.expect("by a name that nobody knows", "200 outside as other.example.com [elsewhere.example.com]",
		func() string { return client.getTLS("10.88.0.12:443", "other.example.com") })
	for _, port := range []int{443, 8444} {
		m.expect(fmt.Sprintf("inside of the mesh's TLS, port %d", port), "200 server as server.default.svc.cluster.local [server.example.org]", func() string {
			return client.getTLS(fmt.Sprintf("10.96.0.10:%d", port), "server.default.svc.cluster.local")
		})
	}
	m.meshConfig("outboundTrafficPolicy: {mode: REGISTRY_ONLY}")
	m.expect("a name that nobody knows, and REGISTRY_ONLY", "error:", func() string { return client.getTLS("10.88.0.12:443", "other.example.com") })
	m.expect("a known name, and REGISTRY_ONLY", "200 outside as red", func() string { return client.getTLS("10.88.0.12:443", "red.example.com") })
}
