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
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// secured is a server that speaks TLS, and remembers what clients say.
type secured struct {
	address string
	mu      sync.Mutex
	// hello says that there was a new connection.
	hello bool
	sni   string
	alpn  []string
	// client is the name in the client's certificate.
	client   string
	requests int
}

func serveTLS(t *testing.T, cert tls.Certificate) *secured {
	t.Helper()
	s := &secured{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests++
		s.client = ""
		if c := r.TLS.PeerCertificates; len(c) > 0 && len(c[0].DNSNames) > 0 {
			s.client = c[0].DNSNames[0]
		}
		s.mu.Unlock()
		if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
			_, _ = io.ReadAll(r.Body)
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Trailer", "Grpc-Status")
			w.WriteHeader(http.StatusOK)
			_, _ = w.Write([]byte{0, 0, 0, 0, 0})
			w.Header().Set("Grpc-Status", "0")
			return
		}
		_, _ = io.WriteString(w, "secured "+r.Host)
	}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{
		Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequestClientCert,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.hello, s.sni, s.alpn = true, hello.ServerName, hello.SupportedProtos
			return nil, nil
		},
	}
	server.StartTLS()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	s.address = server.Listener.Addr().String()
	return s
}

// testOrigination sends requests to servers that have TLS of their own, and the right and the wrong certificates.
func testOrigination(p *proxy) {
	dir, err := os.MkdirTemp("", "tls")
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			p.t.Fatal(err)
		}
		return path
	}
	trusted, stranger := newSigner(p.t, "trusted"), newSigner(p.t, "stranger")
	ca := file("ca.pem", slices.Concat(trusted.pem, []byte("a word between\n"), newSigner(p.t, "another").pem))
	clientCert, clientKey := pair(p.t, trusted.issue(time.Hour, "client.test"))
	right := trusted.issue(time.Hour, "*.tls.test", "spiffe://mesh/ns/a/sa/b", "10.1.2.3")
	revoked := trusted.issue(time.Hour, "*.tls.test")
	crl := file("crl.pem", trusted.revoke(revoked))
	p.put("ssls", "tls-client", object{"id": "tls-client", "type": "client", "cert": string(clientCert), "key": string(clientKey)})

	for name, tt := range map[string]struct {
		cert tls.Certificate
		tls  object
		// more is of the upstream.
		more object
		// refused says that the server gets no request.
		refused     bool
		sni, client string
	}{
		"host":          {cert: right, tls: object{"mode": "SIMPLE", "ca_certificates": ca, "verify_host": true}, sni: "host.tls.test"},
		"inline":        {cert: right, tls: object{"mode": "SIMPLE", "ca": string(trusted.pem), "verify_host": true}, sni: "inline.tls.test"},
		"sni":           {cert: right, tls: object{"mode": "SIMPLE", "ca_certificates": ca, "sni": "elsewhere.test"}, sni: "elsewhere.test"},
		"no-name":       {cert: trusted.issue(time.Hour), tls: object{"mode": "SIMPLE", "ca_certificates": ca, "sni": "elsewhere.test"}, sni: "elsewhere.test"},
		"san":           {cert: right, tls: object{"mode": "SIMPLE", "ca_certificates": ca, "subject_alt_names": []string{"a.test", "some.tls.test"}}, sni: "san.tls.test"},
		"san-uri":       {cert: right, tls: object{"mode": "SIMPLE", "ca_certificates": ca, "subject_alt_names": []string{"spiffe://mesh/ns/a/sa/b"}, "sni": "x.test"}, sni: "x.test"},
		"san-ip":        {cert: right, tls: object{"mode": "SIMPLE", "ca_certificates": ca, "subject_alt_names": []string{"10.1.2.3"}, "sni": "x.test"}, sni: "x.test"},
		"skip":          {cert: stranger.issue(time.Hour), tls: object{"mode": "SIMPLE", "insecure_skip_verify": true}, sni: "skip.tls.test"},
		"mutual":        {cert: right, tls: object{"mode": "MUTUAL", "ca_certificates": ca, "verify_host": true, "client_certificate": file("client.pem", clientCert), "private_key": file("client.key", clientKey)}, sni: "mutual.tls.test", client: "client.test"},
		"mutual-object": {cert: right, tls: object{"mode": "MUTUAL", "ca_certificates": ca, "verify_host": true}, more: object{"tls": object{"client_cert_id": "tls-client"}}, sni: "mutual-object.tls.test", client: "client.test"},
		"not-revoked":   {cert: right, tls: object{"mode": "SIMPLE", "ca_certificates": file("only.pem", trusted.pem), "ca_crl": crl, "sni": "x.test"}, sni: "x.test"},

		"wrong-ca":        {cert: stranger.issue(time.Hour, "*.tls.test"), tls: object{"mode": "SIMPLE", "ca_certificates": ca, "verify_host": true}, refused: true},
		"wrong-name":      {cert: trusted.issue(time.Hour, "other.test"), tls: object{"mode": "SIMPLE", "ca_certificates": ca, "verify_host": true}, refused: true},
		"wrong-san":       {cert: right, tls: object{"mode": "SIMPLE", "ca_certificates": ca, "subject_alt_names": []string{"a.test", ".test", "tls.test"}}, refused: true},
		"expired":         {cert: trusted.issue(-time.Minute, "*.tls.test"), tls: object{"mode": "SIMPLE", "ca_certificates": ca, "verify_host": true}, refused: true},
		"revoked":         {cert: revoked, tls: object{"mode": "SIMPLE", "ca_certificates": ca, "ca_crl": crl, "verify_host": true}, refused: true},
		"system":          {cert: right, tls: object{"mode": "SIMPLE", "verify_host": true}, refused: true},
		"no-ca":           {cert: right, tls: object{"mode": "SIMPLE", "ca_certificates": filepath.Join(dir, "absent")}, refused: true},
		"empty-ca":        {cert: right, tls: object{"mode": "SIMPLE", "ca_certificates": file("empty.pem", nil)}, refused: true},
		"no-certificate":  {cert: right, tls: object{"mode": "MUTUAL", "ca_certificates": ca, "client_certificate": filepath.Join(dir, "absent"), "private_key": filepath.Join(dir, "absent")}, refused: true},
		"no-object":       {cert: right, tls: object{"mode": "MUTUAL", "ca_certificates": ca}, refused: true},
		"object-absent":   {cert: right, tls: object{"mode": "MUTUAL", "ca_certificates": ca}, more: object{"tls": object{"client_cert_id": "absent"}}, refused: true},
		"common-name":     {cert: trusted.issue(time.Hour), tls: object{"mode": "SIMPLE", "ca_certificates": ca, "subject_alt_names": []string{"leaf"}}, refused: true},
		"not-for-servers": {cert: clientOnly(trusted), tls: object{"mode": "SIMPLE", "ca_certificates": ca, "verify_host": true}, refused: true},
	} {
		p.t.Run(name, func(t *testing.T) {
			p := &proxy{APISIX: p.APISIX, t: t, rounds: p.rounds}
			s := serveTLS(t, tt.cert)
			for _, scheme := range []string{"https", "grpcs"} {
				id := "tls-" + name + "-" + scheme
				up := object{"scheme": scheme, "discovery_args": object{"mesh_tls": tt.tls}, "retries": 1}
				for k, v := range tt.more {
					up[k] = v
				}
				p.upstream(id, up, s.address)
				p.put("routes", id, object{
					"id": id, "hosts": []string{name + ".tls.test"}, "uri": "/*", "upstream_id": id,
					"vars": []any{[]any{"http_x_scheme", "==", scheme}},
				})
				p.put("routes", id+"-retry", object{
					"id": id + "-retry", "hosts": []string{name + ".tls.test"}, "uri": "/*", "upstream_id": id,
					"vars": []any{[]any{"http_x_scheme", "==", scheme + "-retry"}}, "plugins": object{"mesh-retry": object{"attempts": 2, "on": list("5xx"), "timeout": 20}},
				})
			}
			p.sync()
			ask := func(scheme string) {
				t.Helper()
				s.mu.Lock()
				s.requests, s.hello = 0, false
				s.mu.Unlock()
				var wantALPN []string
				if strings.HasPrefix(scheme, "grpcs") {
					wantALPN = []string{"h2"}
					_, err := p.callWith(name+".tls.test", "/a.B/C", "x-scheme", scheme)
					if tt.refused != (err != nil) || tt.refused && status.Code(err) != codes.Unavailable {
						t.Errorf("%s: %v", scheme, err)
					}
				} else {
					res := p.do(request{host: name + ".tls.test:8443", headers: []string{"X-Scheme: " + scheme}})
					switch {
					case tt.refused && res.status != 502 && res.status != 503:
						t.Errorf("%s: got %+v", scheme, res)
					case !tt.refused && (res.status != 200 || res.body != "secured "+name+".tls.test:8443"):
						t.Errorf("%s: got %+v\n%s", scheme, res, p.Log())
					}
				}
				s.mu.Lock()
				defer s.mu.Unlock()
				if tt.refused {
					if s.requests != 0 {
						t.Errorf("%s: the server got %d requests", scheme, s.requests)
					}
					return
				}
				if s.requests != 1 || s.hello && (s.sni != tt.sni || !slices.Equal(s.alpn, wantALPN)) || s.client != tt.client {
					t.Errorf("%s: the server saw %d requests, server name %q, ALPN %v, client %q", scheme, s.requests, s.sni, s.alpn, s.client)
				}
			}
			for _, scheme := range []string{"https", "https-retry", "grpcs", "grpcs-retry", "https", "grpcs"} {
				ask(scheme)
			}
		})
	}
}

// testMirrorSecured has copies go to servers that have TLS of their own, or HTTP/2.
func testMirrorSecured(p *proxy) {
	trusted, stranger := newSigner(p.t, "trusted"), newSigner(p.t, "stranger")
	cert, key := pair(p.t, trusted.issue(time.Hour, "client.test"))
	p.put("ssls", "mirror-client", object{"id": "mirror-client", "type": "client", "cert": string(cert), "key": string(key)})
	p.upstream("mirror-real", nil, echo(p.t, "real"))
	settings := object{"mode": "MUTUAL", "ca": string(trusted.pem), "sni": "asked.test", "subject_alt_names": []string{"right.test"}}
	for name, tt := range map[string]struct {
		cert   tls.Certificate
		scheme string
		alpn   []string
		// copies are how many arrive.
		copies int
	}{
		"https":       {trusted.issue(time.Hour, "right.test"), "https", nil, 3},
		"grpcs":       {trusted.issue(time.Hour, "right.test"), "grpcs", []string{"h2"}, 3},
		"wrong-name":  {trusted.issue(time.Hour, "asked.test"), "https", nil, 0},
		"wrong-ca":    {stranger.issue(time.Hour, "right.test"), "grpcs", nil, 0},
		"not-secured": {trusted.issue(time.Hour, "right.test"), "", nil, 0},
	} {
		id := "mirror-tls-" + name
		s := serveTLS(p.t, tt.cert)
		up := object{"scheme": tt.scheme, "discovery_args": object{"mesh_tls": settings}, "tls": object{"client_cert_id": "mirror-client"}}
		if tt.scheme == "" {
			// The server takes no plain text.
			up = object{}
		}
		p.upstream(id, up, s.address)
		p.route(id, "mirror-real", object{"mesh-mirror": object{"mirrors": []object{{"upstream_id": id}}}})
		p.sync()
		for range 3 {
			p.do(request{host: id + ".test", method: "POST", target: "/x", body: "body"}).got(p.t)
		}
		if tt.copies > 0 {
			p.Eventually(p.t, "copies arrive", func() bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				return s.requests == tt.copies
			})
		} else {
			time.Sleep(300 * time.Millisecond)
		}
		s.mu.Lock()
		if s.requests != tt.copies || tt.copies > 0 && (s.sni != "asked.test" || !slices.Equal(s.alpn, tt.alpn) || s.client != "client.test") {
			p.t.Errorf("%s: %d copies, server name %q, ALPN %v, client %q", name, s.requests, s.sni, s.alpn, s.client)
		}
		s.mu.Unlock()
	}
}
