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
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func peerAuthentication(mode string) string {
	return fmt.Sprintf(`apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: default}
spec:
  mtls: {mode: %s}
`, mode)
}

// secured says something over TLS from the pod's application: a request for HTTP, or a line.
func (p *pod) secured(address string, config *tls.Config, text string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	raw, err := p.dial(ctx, address)
	if err != nil {
		return "error: " + err.Error()
	}
	defer raw.Close()
	// Whether the server checks the client is what is asked.
	config.InsecureSkipVerify = true
	c := tls.Client(raw, config)
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if err := c.Handshake(); err != nil {
		return "error: " + err.Error()
	}
	if text != "" {
		return converse(c, text)
	}
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n"); err != nil {
		return "error: " + err.Error()
	}
	b, err := io.ReadAll(c)
	if len(b) == 0 {
		return fmt.Sprintf("error: %v", err)
	}
	return strings.TrimPrefix(string(b), "HTTP/1.1 ")
}

// TestMutualTLS has clients of every kind come to workloads in every mode, and a server that is not who it should be.
func TestMutualTLS(t *testing.T) {
	trusted, stranger := newAuthority(t, "mesh"), newAuthority(t, "stranger")
	m := newMeshOf(t, trusted, service("server", "10.96.0.10", "10.88.0.10", serverPorts)+
		service("client", "10.96.0.11", "10.88.0.11", "{name: http, port: 80, targetPort: 8080}")+
		service("impostor", "10.96.0.13", "10.88.0.13", "{name: http, port: 80, targetPort: 8080}, {name: tcp, port: 3306, targetPort: 3306}"))
	server := m.newPod("server", "10.88.0.10").inject()
	client := m.newPod("client", "10.88.0.11").inject()
	outside := m.newPod("outside", "10.88.0.12")
	impostor := m.newPod("impostor", "10.88.0.13")
	impostor.account = "thief"
	impostor.inject()
	server.serveHTTP(8080)
	server.serveTCP(3306, "")
	impostor.serveHTTP(8080)
	impostor.serveTCP(3306, "")
	for _, p := range []*pod{server, client, impostor} {
		p.ready()
	}

	now := time.Now()
	id := "spiffe://cluster.local/ns/default/sa/somebody"
	certificates := map[string]*tls.Certificate{"none": nil}
	for name, c := range map[string]tls.Certificate{
		"mesh":                 trusted.issue(t, now.Add(-time.Minute), time.Hour, id),
		"expired":              trusted.issue(t, now.Add(-2*time.Hour), time.Hour, id),
		"another trust domain": trusted.issue(t, now.Add(-time.Minute), time.Hour, "spiffe://elsewhere/ns/default/sa/somebody"),
		"nobody":               trusted.issue(t, now.Add(-time.Minute), time.Hour, "somebody.example.com"),
		"wrong CA":             stranger.issue(t, now.Add(-time.Minute), time.Hour, id),
	} {
		certificates[name] = &c
	}
	// over is what a client with a certificate gets.
	over := func(name string, port int, text string) string {
		config := &tls.Config{NextProtos: []string{"istio-http/1.1", "istio", "http/1.1"}}
		if text != "" {
			config.NextProtos = []string{"istio"}
		}
		if c := certificates[name]; c != nil {
			// Also when the server asks for the certificates of others.
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c, nil }
		}
		return outside.secured(fmt.Sprintf("10.88.0.10:%d", port), config, text)
	}
	for _, mode := range []string{"STRICT", "PERMISSIVE", "DISABLE"} {
		m.apply("peers", peerAuthentication(mode))
		plainAllowed, tlsAllowed := mode != "STRICT", mode != "DISABLE"
		expect := func(what string, allowed bool, want string, f func() string) {
			t.Helper()
			m.eventually(mode+": "+what, func() error {
				got := f()
				if allowed != strings.HasPrefix(got, want) || !allowed && !refused(got) {
					return errors.New(got)
				}
				return nil
			})
		}
		expect("plain HTTP", plainAllowed, "200 server", func() string { return outside.get("10.88.0.10:8080", "server") })
		expect("plain TCP", plainAllowed, "server hello", func() string { return outside.say("10.88.0.10:3306", "hello") })
		for name := range certificates {
			allowed := tlsAllowed && name == "mesh"
			expect("HTTP over TLS with the certificate: "+name, allowed, "200 ", func() string { return over(name, 8080, "") })
			expect("TCP over TLS with the certificate: "+name, allowed, "server hello", func() string { return over(name, 3306, "hello") })
		}
		expect("HTTP of a sidecar", true, "200 server", func() string { return client.get("10.96.0.10:80", "server") })
		expect("TCP of a sidecar", true, "server hello", func() string { return client.say("10.96.0.10:3306", "hello") })
	}
	m.apply("peers", peerAuthentication("STRICT"))
	m.eventually("a server that is not who it should be gets no request", func() error {
		if got := client.get("10.96.0.13:80", "impostor"); !strings.HasPrefix(got, "502") && !strings.HasPrefix(got, "503") {
			return errors.New(got)
		}
		return nil
	})
	if got := client.say("10.96.0.13:3306", "hello"); strings.Contains(got, "hello") {
		t.Errorf("a server that is not who it should be: got %q", got)
	}
}

// refused says whether somebody was turned away: in the handshake, or with Envoy's words.
func refused(got string) bool {
	return strings.HasPrefix(got, "error:") || got == "" || strings.HasPrefix(got, fmt.Sprint(http.StatusForbidden)) || strings.HasPrefix(got, fmt.Sprint(http.StatusBadRequest))
}
