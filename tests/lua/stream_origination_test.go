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
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/lua"
	"github.com/apisix-mesh/pilot-apisix/tests/apisixtest"
)

// lineServer speaks TLS and says lines back, and remembers what clients say.
type lineServer struct {
	address string
	mu      sync.Mutex
	sni     string
	alpn    []string
	client  string
	lines   int
}

func serveLines(t *testing.T, cert tls.Certificate) *lineServer {
	t.Helper()
	s := &lineServer{}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequestClientCert, NextProtos: []string{"own"},
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.sni, s.alpn = hello.ServerName, hello.SupportedProtos
			return nil, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s.address = l.Addr().String()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.talk(c.(*tls.Conn))
		}
	}()
	return s
}

func (s *lineServer) talk(c *tls.Conn) {
	defer c.Close()
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return
	}
	s.mu.Lock()
	s.lines++
	s.client = ""
	if certs := c.ConnectionState().PeerCertificates; len(certs) > 0 && len(certs[0].DNSNames) > 0 {
		s.client = certs[0].DNSNames[0]
	}
	s.mu.Unlock()
	_, _ = io.WriteString(c, "said "+line)
}

// TestStreamOrigination sends connections to servers that have TLS of their own, and the right and the wrong certificates.
func TestStreamOrigination(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	trusted, stranger := newSigner(t, "trusted"), newSigner(t, "stranger")
	ca := file("ca.pem", trusted.pem)
	cert, key := pair(t, trusted.issue(time.Hour, "client.test"))
	right := trusted.issue(time.Hour, "right.test", "spiffe://mesh/ns/a/sa/b")
	cases := []struct {
		name        string
		cert        tls.Certificate
		tls         object
		more        object
		refused     bool
		sni, client string
	}{
		{name: "no server name", cert: right, tls: object{"mode": "SIMPLE", "ca_certificates": ca, "verify_host": true}},
		{name: "server name", cert: right, tls: object{"mode": "SIMPLE", "ca_certificates": ca, "sni": "a.test"}, sni: "a.test"},
		{name: "names", cert: right, tls: object{
			"mode": "SIMPLE", "ca": string(trusted.pem), "sni": "a.test",
			"subject_alt_names": []string{"b.test", "spiffe://mesh/ns/a/sa/b"},
		}, sni: "a.test"},
		{name: "skip", cert: stranger.issue(time.Hour), tls: object{"mode": "SIMPLE", "insecure_skip_verify": true}},
		{name: "files", cert: right, tls: object{"mode": "MUTUAL", "ca_certificates": ca, "client_certificate": file("cert.pem", cert), "private_key": file("key.pem", key)}, client: "client.test"},
		{name: "object", cert: right, tls: object{"mode": "MUTUAL", "ca_certificates": ca}, more: object{"tls": object{"client_cert_id": "line-client"}}, client: "client.test"},
		{name: "wrong CA", cert: stranger.issue(time.Hour, "right.test"), tls: object{"mode": "SIMPLE", "ca_certificates": ca}, refused: true},
		{name: "wrong name", cert: right, tls: object{"mode": "SIMPLE", "ca_certificates": ca, "subject_alt_names": []string{"b.test"}}, refused: true},
		{name: "expired", cert: trusted.issue(-time.Minute, "right.test"), tls: object{"mode": "SIMPLE", "ca_certificates": ca}, refused: true},
		{name: "no CA", cert: right, tls: object{"mode": "SIMPLE", "ca_certificates": "/absent"}, refused: true},
		{name: "no certificate", cert: right, tls: object{"mode": "MUTUAL", "ca_certificates": ca}, refused: true},
	}
	var listen []string
	for range cases {
		listen = append(listen, "127.0.0.1:"+strconv.Itoa(free(t)))
	}
	p := &proxy{t: t, rounds: new(int), APISIX: apisixtest.Start(t, apisixtest.Options{
		Plugins: lua.Plugins(), StreamPlugins: lua.StreamPlugins(), Workers: 1, Listen: listen,
	})}
	p.put("ssls", "line-client", object{"id": "line-client", "type": "client", "cert": string(cert), "key": string(key)})
	servers := make([]*lineServer, len(cases))
	for i, tt := range cases {
		servers[i] = serveLines(t, tt.cert)
		id := "line-" + strconv.Itoa(i)
		up := object{"scheme": "https", "discovery_args": object{"mesh_tls": tt.tls}}
		for k, v := range tt.more {
			up[k] = v
		}
		p.upstream(id, up, servers[i].address)
		_, port, _ := net.SplitHostPort(listen[i])
		p.put("stream_routes", id, object{"id": id, "server_port": number(t, port), "upstream_id": id})
	}
	p.sync()
	for round := range 3 {
		for i, tt := range cases {
			s := servers[i]
			say := func() string { return sayLine(listen[i], "hello") }
			if round == 0 && !tt.refused {
				p.Eventually(t, tt.name, func() bool { return say() == "said hello" })
			}
			got := say()
			s.mu.Lock()
			switch {
			case tt.refused && (got != "" || s.lines > 0):
				t.Errorf("%s: got %q, and the server %d lines", tt.name, got, s.lines)
			case !tt.refused && (got != "said hello" || s.sni != tt.sni || len(s.alpn) > 0 || s.client != tt.client):
				t.Errorf("%s: got %q; the server saw the server name %q, ALPN %v, client %q", tt.name, got, s.sni, s.alpn, s.client)
			}
			s.mu.Unlock()
		}
	}
	if log := p.Log(); strings.Contains(log, "attempt to ") || strings.Contains(log, "exited on signal") {
		t.Error(log)
	}
}

func sayLine(address, line string) string {
	c, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	_, _ = fmt.Fprintln(c, line)
	b, _ := io.ReadAll(c)
	return strings.TrimSpace(string(b))
}
