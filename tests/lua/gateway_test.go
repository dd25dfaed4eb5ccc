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
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/lua"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/translate"
	"github.com/apisix-mesh/pilot-apisix/pkg/etcdapi"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
	"github.com/apisix-mesh/pilot-apisix/tests/apisixtest"
)

// authority is a certificate that signs itself.
type authority struct {
	tls.Certificate
	chain, key []byte
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{
		chain: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key:   pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}
	if a.Certificate, err = tls.X509KeyPair(a.chain, a.key); err != nil {
		t.Fatal(err)
	}
	return a
}

// TestGatewayTLS plays what translation makes of a gateway's servers on a real APISIX.
func TestGatewayTLS(t *testing.T) {
	https, raw := free(t), free(t)
	client, stranger := newAuthority(t, "client"), newAuthority(t, "stranger")
	server := func(name string, more ir.TLSServer) ir.TLSServer {
		a := newAuthority(t, name)
		more.Name, more.Certificates = name, []ir.Certificate{{Chain: a.chain, Key: a.key}}
		return more
	}
	answer := func(port int, domain, body string, names *ir.ServerNames) *ir.VirtualHost {
		return &ir.VirtualHost{Port: port, Name: domain, Domains: []string{domain}, ServerNames: names, Routes: []ir.Route{
			{Name: body, DirectResponse: &ir.DirectResponse{Status: 200, Body: []byte(body)}},
		}}
	}
	upstream, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = upstream.Close() })
	go func() {
		for {
			c, err := upstream.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "raw")
			_ = c.Close()
		}
	}()
	cfg := &ir.Config{
		Gateway: &ir.Gateway{TLS: []ir.TLSServer{
			server("*", ir.TLSServer{}), server("*.w.test", ir.TLSServer{}), server("a.test", ir.TLSServer{Protocols: []string{"TLSv1.3"}}),
			server("mutual.test", ir.TLSServer{Client: &ir.ClientCertificate{CA: client.chain}}),
			server("optional.test", ir.TLSServer{Client: &ir.ClientCertificate{CA: client.chain, Optional: true}}),
		}},
		VirtualHosts: []*ir.VirtualHost{
			answer(https, "*", "any", &ir.ServerNames{Names: []string{"*"}, Except: []string{"*.w.test", "a.test", "mutual.test", "optional.test"}}),
			answer(https, "*.w.test", "wild", &ir.ServerNames{Names: []string{"*.w.test"}}),
			answer(https, "a.test", "a", &ir.ServerNames{Names: []string{"a.test"}}),
			answer(https, "mutual.test", "mutual", &ir.ServerNames{Names: []string{"mutual.test"}}),
			answer(https, "optional.test", "optional", &ir.ServerNames{Names: []string{"optional.test"}}),
		},
		CatchAll: &ir.Route{Name: "not-found", DirectResponse: &ir.DirectResponse{Status: 404}},
		TCP: []ir.TCPRoute{
			{Match: ir.TCPMatch{Port: raw, SNI: "a.test"}, Destinations: []ir.Destination{{Cluster: "c"}}},
			{Match: ir.TCPMatch{Port: raw, SNI: "mutual.test"}, Destinations: []ir.Destination{{Cluster: "c"}}},
		},
		Clusters: []*ir.Cluster{{Name: "c", Host: "c.test", Port: 1, Endpoints: []ir.Endpoint{
			{Address: "127.0.0.1", Port: upstream.Addr().(*net.TCPAddr).Port, Weight: 1},
		}}},
	}
	out := translate.Translate(cfg, nil)
	a := apisixtest.Start(t, apisixtest.Options{
		Plugins: lua.Plugins(), StreamPlugins: lua.StreamPlugins(), Workers: 1,
		Change: func(config map[string]any) {
			settings := config["apisix"].(object)
			settings["ssl"] = object{"enable": true, "fallback_sni": "*", "listen": []object{{"ip": "127.0.0.1", "port": https}}}
			stream := settings["stream_proxy"].(object)
			stream["tcp"] = append(stream["tcp"].([]any), object{"addr": net.JoinHostPort("127.0.0.1", strconv.Itoa(raw)), "tls": true})
			nginx := config["nginx_config"].(object)
			snippet := nginx["http_configuration_snippet"].(string)
			// A gateway captures nothing: the port that is meant is the listener's.
			nginx["http_configuration_snippet"] = strings.Replace(snippet, "default $requested_port;", "default $server_port;", 1)
		},
	})
	ops := make([]etcdapi.Op, 0, len(out.Resources))
	for _, r := range out.Resources {
		var v object
		if err := json.Unmarshal(r.JSON, &v); err != nil {
			t.Fatal(err)
		}
		ops = append(ops, etcdapi.Op{Key: "/apisix/" + r.Name(), Value: r.JSON})
	}
	a.Store.Apply(ops)
	get := func(name, host string, conf *tls.Config) (string, string) {
		// The certificates are the test's own.
		conf.ServerName, conf.InsecureSkipVerify = name, true
		c, err := tls.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(https)), conf)
		if err != nil {
			return "", "handshake"
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(patience))
		tr := &http.Transport{DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return c, nil }, DisableKeepAlives: true}
		resp, err := (&http.Client{Transport: tr}).Get("https://" + host + "/")
		if err != nil {
			return "", "closed"
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != http.StatusOK {
			b = []byte(resp.Status)
		}
		return c.ConnectionState().PeerCertificates[0].Subject.CommonName, string(b)
	}
	a.Eventually(t, "APISIX serves the configuration", func() bool {
		_, body := get("a.test", "a.test", &tls.Config{})
		return body == "a"
	})
	with := func(c *authority) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c.Certificate}} }
	for _, tt := range []struct {
		name, host string
		conf       *tls.Config
		cert, body string
	}{
		{"a.test", "a.test", &tls.Config{}, "a.test", "a"},
		{"a.test", "a.test", &tls.Config{MaxVersion: tls.VersionTLS12}, "", "handshake"},
		{"x.w.test", "x.w.test", &tls.Config{}, "*.w.test", "wild"},
		{"deep.x.w.test", "deep.x.w.test", &tls.Config{}, "", "handshake"},
		{"other.test", "other.test", &tls.Config{}, "*", "any"},
		{"", "other.test", &tls.Config{}, "*", "any"},
		// Nobody gets to the routes of another server.
		{"other.test", "mutual.test", &tls.Config{}, "*", "400 Bad Request"},
		{"other.test", "a.test", &tls.Config{}, "*", "any"},
		{"a.test", "x.w.test", &tls.Config{}, "a.test", "404 Not Found"},
		{"mutual.test", "mutual.test", &tls.Config{}, "", "closed"},
		{"mutual.test", "mutual.test", with(stranger), "", "closed"},
		{"mutual.test", "mutual.test", with(client), "mutual.test", "mutual"},
		{"mutual.test", "a.test", with(client), "mutual.test", "404 Not Found"},
		{"optional.test", "optional.test", &tls.Config{}, "optional.test", "optional"},
		{"optional.test", "optional.test", with(client), "optional.test", "optional"},
		{"optional.test", "optional.test", with(stranger), "optional.test", "optional"},
	} {
		if cert, body := get(tt.name, tt.host, tt.conf); cert != tt.cert || body != tt.body {
			t.Errorf("%q for %s: got %q of %q, want %q of %q", tt.name, tt.host, body, cert, tt.body, tt.cert)
		}
	}
	// A session that began with a server that asks for no certificate is not taken up again with one that does.
	t.Run("sessions", func(t *testing.T) {
		for port, first := range map[int]string{https: "other.test", raw: "a.test"} {
			sessions := &anySession{}
			say := func(name string) (answer string, resumed bool) {
				c, err := tls.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), &tls.Config{
					ServerName: name, InsecureSkipVerify: true, ClientSessionCache: sessions,
				})
				if err != nil {
					return "", false
				}
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(patience))
				if port == https {
					_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: "+name+"\r\nConnection: close\r\n\r\n")
				}
				b, _ := io.ReadAll(c)
				return string(b), c.ConnectionState().DidResume
			}
			if got, _ := say(first); got == "" {
				t.Fatalf("%s: no answer\n%s", first, a.Log())
			}
			if _, resumed := say(first); !resumed {
				t.Errorf("%s: no session was taken up again", first)
			}
			if got, resumed := say("mutual.test"); resumed || got == "raw" || strings.HasPrefix(got, "HTTP/1.1 200") {
				t.Errorf("mutual.test: a session of %s was taken up again: %v, %q", first, resumed, got)
			}
		}
	})
	t.Run("TCP", func(t *testing.T) {
		for name, want := range map[string]string{"a.test": "raw", "other.test": ""} {
			c, err := tls.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(raw)), &tls.Config{ServerName: name, InsecureSkipVerify: true})
			if err != nil {
				t.Errorf("%s: %v\n%s", name, err, a.Log())
				continue
			}
			_ = c.SetDeadline(time.Now().Add(patience))
			got, _ := io.ReadAll(c)
			_ = c.Close()
			if string(got) != want {
				t.Errorf("%s: got %q, want %q\n%s", name, got, want, a.Log())
			}
		}
	})
}

// anySession gives the last session to whatever server is asked.
type anySession struct{ last *tls.ClientSessionState }

func (s *anySession) Get(string) (*tls.ClientSessionState, bool) { return s.last, s.last != nil }

func (s *anySession) Put(_ string, last *tls.ClientSessionState) {
	if last != nil {
		s.last = last
	}
}

func free(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
