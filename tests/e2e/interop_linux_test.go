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
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

	caapi "istio.io/api/security/v1alpha1"
	pkiutil "istio.io/istio/security/pkg/pki/util"
)

// certified is the certificate that istiod signs for a service account, asked for as an Envoy sidecar's agent does.
func (m *mesh) certified(account string) tls.Certificate {
	m.t.Helper()
	token := strings.TrimSpace(run(m.t, filepath.Join(m.bin, "pilot-discovery"), "create-token", account, "--namespace="+namespace,
		"--stateDir="+filepath.Join(m.dir, "state")))
	csr, key, err := pkiutil.GenCSR(pkiutil.CertOptions{Host: "spiffe://cluster.local/ns/" + namespace + "/sa/" + account, ECSigAlg: pkiutil.EcdsaSigAlg})
	if err != nil {
		m.t.Fatal(err)
	}
	conn, err := grpc.NewClient(hubAddress+":15012", grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: m.roots(), ServerName: "istiod.istio-system.svc"})))
	if err != nil {
		m.t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+token), 20*time.Second)
	defer cancel()
	response, err := caapi.NewIstioCertificateServiceClient(conn).CreateCertificate(ctx, &caapi.IstioCertificateRequest{Csr: string(csr), ValidityDuration: 3600})
	if err != nil {
		m.t.Fatal(err)
	}
	pair, err := tls.X509KeyPair([]byte(strings.Join(response.GetCertChain(), "\n")), key)
	if err != nil {
		m.t.Fatal(err)
	}
	return pair
}

func (m *mesh) roots() *x509.CertPool {
	m.t.Helper()
	pem, err := os.ReadFile(filepath.Join(m.dir, "state/root-cert.pem"))
	if err != nil {
		m.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return pool
}

// handshake is what a client shows.
type handshake struct {
	name, id  string
	protocols []string
}

// envoyServer terminates the mesh's TLS as the inbound listener of an Envoy sidecar does, and keeps the last handshake.
type envoyServer struct {
	requests atomic.Int32

	mu   sync.Mutex
	last handshake
}

// downstreamALPN is util.ALPNDownstreamWithMxc of Istio.
var downstreamALPN = []string{"istio-peer-exchange", "h2", "http/1.1"}

func (s *envoyServer) config(pair tls.Certificate, roots *x509.CertPool) *tls.Config {
	return &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		c := &tls.Config{
			Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots,
			VerifyConnection: func(st tls.ConnectionState) error {
				id := spiffeID(st)
				if id == "" {
					return errors.New("the client has no SPIFFE id")
				}
				s.mu.Lock()
				defer s.mu.Unlock()
				s.last = handshake{name: st.ServerName, id: id, protocols: hello.SupportedProtos}
				return nil
			},
		}
		// BoringSSL goes on without a protocol when there is none in common; Go does not.
		if slices.ContainsFunc(hello.SupportedProtos, func(p string) bool { return slices.Contains(downstreamALPN, p) }) {
			c.NextProtos = downstreamALPN
		}
		return c, nil
	}}
}

func (s *envoyServer) seen() handshake {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

func spiffeID(st tls.ConnectionState) string {
	if len(st.PeerCertificates) == 0 || len(st.PeerCertificates[0].URIs) != 1 {
		return ""
	}
	return st.PeerCertificates[0].URIs[0].String()
}

// serve takes HTTP on one port, and lines on another.
func (s *envoyServer) serve(p *pod, pair tls.Certificate, httpPort, tcpPort int) {
	server := &http.Server{ReadHeaderTimeout: patience, TLSConfig: s.config(pair, p.m.roots()), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		_, _ = fmt.Fprintf(w, "%s %s", p.name, r.Proto)
	})}
	l := p.listen(httpPort)
	go func() { _ = server.ServeTLS(l, "", "") }()
	p.t.Cleanup(func() { _ = server.Close() })
	lines := tls.NewListener(p.listen(tcpPort), s.config(pair, p.m.roots()))
	go func() {
		for {
			c, err := lines.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if line, err := bufio.NewReader(c).ReadString('\n'); err == nil {
					s.requests.Add(1)
					_, _ = io.WriteString(c, p.name+" "+line)
				}
			}()
		}
	}()
}

// TestEnvoy has an APISIX sidecar talk to what behaves as an Envoy sidecar does on the wire, and the other way round.
//
// One difference is seen here: the SNI. Envoy sends outbound_.<port>_.<subset>_.<host>, by which nothing but an east-west gateway
// (AUTO_PASSTHROUGH) chooses; an APISIX sidecar sends the name that it has nginx compare the server's certificate with.
func TestEnvoy(t *testing.T) {
	trusted := newAuthority(t, "mesh")
	const ports = "{name: http-web, port: 80, targetPort: 8080}, {name: grpc-api, port: 81, targetPort: 8080}, {name: tcp-db, port: 3306, targetPort: 3306}"
	m := newMeshOf(t, trusted, service("server", "10.96.0.10", "10.88.0.10", "{name: http-web, port: 80, targetPort: 8080}, {name: tcp-db, port: 3306, targetPort: 3306},"+
		" {name: http2-web, port: 82, targetPort: 8082}")+
		service("client", "10.96.0.11", "10.88.0.11", both)+service("envoy", "10.96.0.12", "10.88.0.12", ports)+service("foreign", "10.96.0.13", "10.88.0.13", ports+
		", {name: http-named, port: 90, targetPort: 8090}, {name: tcp-named, port: 91, targetPort: 8091}, {name: http-late, port: 92, targetPort: 8092}, {name: tcp-late, port: 93, targetPort: 8093}"))
	m.apply("peers", strict)
	server, client := m.newPod("server", "10.88.0.10").inject(), m.newPod("client", "10.88.0.11").inject()
	envoy, foreign := m.newPod("envoy", "10.88.0.12"), m.newPod("foreign", "10.88.0.13")
	server.serveHTTP(8080)
	server.serveHTTP(8082)
	server.serveTCP(3306, "")
	pair := m.certified("envoy")
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(leaf.URIs, leaf.DNSNames); got != "[spiffe://cluster.local/ns/default/sa/envoy] [envoy.default._sa.cluster.local]" {
		t.Errorf("istiod certifies %s", got)
	}
	sidecar, stranger := &envoyServer{}, &envoyServer{}
	sidecar.serve(envoy, pair, 8080, 3306)
	// As a CA that is not istiod would sign it.
	stranger.serve(foreign, trusted.issue(t, time.Now().Add(-time.Minute), time.Hour, "spiffe://cluster.local/ns/default/sa/foreign"), 8080, 3306)
	const withName = "spiffe://cluster.local/ns/default/sa/foreign,foreign.default._sa.cluster.local"
	named, late := &envoyServer{}, &envoyServer{}
	named.serve(foreign, trusted.issue(t, time.Now().Add(-time.Minute), time.Hour, withName), 8090, 8091)
	late.serve(foreign, trusted.issue(t, time.Now().Add(-2*time.Hour), time.Hour, withName), 8092, 8093)
	server.ready()
	client.ready()

	t.Run("to Envoy", func(t *testing.T) {
		h2 := func() string {
			c := client.client("10.96.0.12:81")
			p := c.Transport.(*http.Transport).Protocols
			p.SetHTTP1(false)
			p.SetUnencryptedHTTP2(true)
			return fetch(c, "http://envoy:81/")
		}
		for _, tt := range []struct {
			name, want string
			protocols  []string
			f          func() string
		}{
			{"HTTP", "200 envoy HTTP/1.1", []string{"istio-http/1.1", "istio", "http/1.1"}, func() string { return client.get("10.96.0.12:80", "envoy") }},
			{"HTTP/2", "200 envoy HTTP/2.0", []string{"istio-h2", "istio", "h2"}, h2},
			{"TCP", "envoy hello", []string{"istio"}, func() string { return client.say("10.96.0.12:3306", "hello") }},
		} {
			m.expect(tt.name, tt.want, tt.f)
			if got := sidecar.seen(); got.id != "spiffe://cluster.local/ns/default/sa/client" || got.name != "envoy.default._sa.cluster.local" ||
				!slices.Equal(got.protocols, tt.protocols) {
				t.Errorf("%s: the handshake was %+v", tt.name, got)
			}
		}
		// Without the name there is nothing that nginx could check.
		m.expect("a certificate without a DNS name: HTTP", "502", func() string { return client.get("10.96.0.13:80", "foreign") })
		if got := client.say("10.96.0.13:3306", "hello"); strings.Contains(got, "hello") {
			t.Errorf("a certificate without a DNS name: TCP: %q", got)
		}
		// The client ends the handshake before it looks at the name: that is TLS 1.3, and nginx.
		if n := stranger.requests.Load(); n > 0 {
			t.Errorf("a certificate without a DNS name: %d requests arrived", n)
		}
	})
	t.Run("to another CA's", func(t *testing.T) {
		m.expect("with the name: HTTP", "200 foreign", func() string { return client.get("10.96.0.13:90", "foreign:90") })
		m.expect("with the name: TCP", "foreign hello", func() string { return client.say("10.96.0.13:91", "hello") })
		m.expect("expired: HTTP", "502", func() string { return client.get("10.96.0.13:92", "foreign:92") })
		if got := client.say("10.96.0.13:93", "hello"); strings.Contains(got, "hello") {
			t.Errorf("expired: TCP: %q", got)
		}
		if n := late.requests.Load(); n > 0 {
			t.Errorf("expired: %d requests arrived", n)
		}
	})
	t.Run("from Envoy", func(t *testing.T) {
		for _, tt := range []struct {
			name, want     string
			port, outbound int
			protocols      []string
		}{
			// util.ALPNInMeshWithMxc, and the ALPN filter's of xds/filters.
			{"TCP", "server hello", 3306, 3306, []string{"istio-peer-exchange", "istio"}},
			{"TCP without metadata", "server hello", 3306, 3306, []string{"istio"}},
			{"HTTP", "200 server HTTP/1.1", 8080, 80, []string{"istio-http/1.1", "istio", "http/1.1"}},
			{"HTTP for a client of HTTP/1.0", "200 server HTTP/1.1", 8080, 80, []string{"istio-http/1.0", "istio", "http/1.0"}},
			{"HTTP/2", "200 server HTTP/2.0", 8082, 82, []string{"istio-h2", "istio", "h2"}},
		} {
			for what, pair := range map[string]tls.Certificate{
				"istiod":    pair,
				"SPIFFE id": trusted.issue(t, time.Now().Add(-time.Minute), time.Hour, "spiffe://cluster.local/ns/default/sa/envoy"),
			} {
				m.expect(tt.name+" with a certificate of "+what, tt.want, func() string {
					return envoy.asEnvoy(fmt.Sprintf("10.88.0.10:%d", tt.port), fmt.Sprintf("outbound_.%d_._.server.default.svc.cluster.local", tt.outbound), pair, tt.protocols)
				})
			}
		}
	})
}

// asEnvoy sends what an Envoy sidecar would, and checks the server as it does: by the chain and the SPIFFE id.
func (p *pod) asEnvoy(address, name string, pair tls.Certificate, protocols []string) string {
	config := &tls.Config{
		ServerName: name, NextProtos: protocols, Certificates: []tls.Certificate{pair}, InsecureSkipVerify: true,
		VerifyConnection: func(st tls.ConnectionState) error {
			if id := spiffeID(st); id != "spiffe://cluster.local/ns/default/sa/server" {
				return fmt.Errorf("the server is %q", id)
			}
			intermediates := x509.NewCertPool()
			for _, c := range st.PeerCertificates[1:] {
				intermediates.AddCert(c)
			}
			_, err := st.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: p.m.roots(), Intermediates: intermediates})
			if err == nil && st.NegotiatedProtocol == "istio-peer-exchange" {
				// Envoy would send its metadata in front of the application's bytes.
				err = errors.New("the server takes part in the exchange of metadata")
			}
			return err
		},
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		raw, err := p.dial(ctx, address)
		if err != nil {
			return nil, err
		}
		c := tls.Client(raw, config)
		if err := c.HandshakeContext(ctx); err != nil {
			_ = raw.Close()
			return nil, err
		}
		return c, nil
	}
	switch {
	case slices.Contains(protocols, "h2"):
		t := &http.Transport{DialTLSContext: dial, Protocols: new(http.Protocols)}
		defer t.CloseIdleConnections()
		t.Protocols.SetHTTP2(true)
		return fetch(&http.Client{Transport: t, Timeout: 20 * time.Second}, "https://server/")
	case slices.ContainsFunc(protocols, func(p string) bool { return strings.HasPrefix(p, "istio-http") }):
		t := &http.Transport{DialContext: dial}
		defer t.CloseIdleConnections()
		return fetch(&http.Client{Transport: t, Timeout: 20 * time.Second}, "http://server/")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := dial(ctx, "", "")
	if err != nil {
		return "error: " + err.Error()
	}
	defer c.Close()
	return converse(c, "hello")
}
