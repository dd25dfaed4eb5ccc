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

package security

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"istio.io/istio/pkg/test/util/assert"
	"istio.io/istio/pkg/test/util/retry"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/config"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/standin"
)

const (
	rootFile  = "./var/run/secrets/istio/root-cert.pem"
	tokenFile = "./var/run/secrets/tokens/istio-token"
	spiffeID  = "spiffe://cluster.local/ns/bookinfo/sa/reviews"
)

// caller is what the stand-in saw of a client.
type caller struct {
	Token, Identity string
}

// istiod is a stand-in that tells who called, and refuses every token but want.
func istiod(t *testing.T, want string, options ...standin.Option) (*standin.Istiod, chan caller) {
	t.Helper()
	callers := make(chan caller, 10)
	return standin.Start(t, func(s standin.Stream) error {
		c := caller{standin.Bearer(s.Context()), standin.Identity(s.Context())}
		callers <- c
		if c.Token != want && c.Identity == "" {
			return status.Error(codes.Unauthenticated, "authentication failure")
		}
		return s.Send(&discovery.DeltaDiscoveryResponse{})
	}, options...), callers
}

// manager is for a sidecar in an empty working directory, with the files.
func manager(t *testing.T, address string, environ map[string]string, files map[string]string) *Manager {
	t.Helper()
	t.Chdir(t.TempDir())
	for k, v := range map[string]string{
		"POD_NAME": "reviews-1", "POD_NAMESPACE": "bookinfo", "SERVICE_ACCOUNT": "reviews", "INSTANCE_IP": "127.0.0.1",
		"PROXY_CONFIG": "discoveryAddress: " + address, "ECC_SIGNATURE_ALGORITHM": "ECDSA",
	} {
		t.Setenv(k, v)
	}
	for k, v := range environ {
		t.Setenv(k, v)
	}
	for file, content := range files {
		write(t, file, content)
	}
	cfg, err := config.New(config.Args{})
	assert.NoError(t, err)
	m, err := New(cfg)
	assert.NoError(t, err)
	return m
}

func write(t *testing.T, file, content string) {
	t.Helper()
	assert.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	assert.NoError(t, os.WriteFile(file, []byte(content), 0o600))
}

// call opens a stream and waits for the first word.
func call(t *testing.T, m *Manager) error {
	t.Helper()
	options, err := m.DialOptions()
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient(m.cfg.XDS.Address, options...)
	assert.NoError(t, err)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	s, err := discovery.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(ctx)
	if err != nil {
		return err
	}
	_, err = s.Recv()
	return err
}

func runManager(t *testing.T, m *Manager) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}

func await(t *testing.T, done func() bool) {
	t.Helper()
	retry.UntilOrFail(t, done, retry.Timeout(30*time.Second), retry.Delay(5*time.Millisecond))
}

func TestTokenAndCertificate(t *testing.T) {
	ca := standin.NewCA(t)
	ca.Token = "token-1"
	server, callers := istiod(t, "token-1", standin.WithTLS(ca.Server(t), ca), standin.WithCA(ca))
	m := manager(t, server.Address, nil, map[string]string{rootFile: string(ca.RootPEM), tokenFile: "token-1\n"})

	// Without a certificate yet, the token does.
	assert.NoError(t, call(t, m))
	assert.Equal(t, <-callers, caller{Token: "token-1"})

	runManager(t, m)
	await(t, func() bool { c, _ := m.Certificate(); return c.Identity != "" })
	assert.NoError(t, call(t, m))
	assert.Equal(t, <-callers, caller{"token-1", spiffeID})
	c, used := m.Certificate()
	assert.Equal(t, used, true)
	assert.Equal(t, c.Identity, spiffeID)
	assert.Equal(t, c.Error, "")
	assert.Equal(t, c.Withheld, false)

	// A rotated token is read again.
	write(t, tokenFile, "token-2")
	assert.NoError(t, call(t, m))
	assert.Equal(t, (<-callers).Token, "token-2")
}

func TestCertificateIsRenewed(t *testing.T) {
	ca := standin.NewCA(t)
	server, _ := istiod(t, "token", standin.WithTLS(ca.Server(t), ca), standin.WithCA(ca))
	ca.Lifetime = 3 * time.Second
	m := manager(t, server.Address, nil, map[string]string{rootFile: string(ca.RootPEM), tokenFile: "token"})
	runManager(t, m)
	var first string
	await(t, func() bool { c, _ := m.Certificate(); first = c.SerialNumber; return first != "" })
	await(t, func() bool { c, _ := m.Certificate(); return c.SerialNumber != first })
	if n := ca.Issued(); n < 2 {
		t.Fatalf("%d certificates were issued", n)
	}
}

func TestCAIsAwayAtFirst(t *testing.T) {
	ca := standin.NewCA(t)
	ca.Token = "right"
	server, callers := istiod(t, "wrong", standin.WithTLS(ca.Server(t), ca), standin.WithCA(ca))
	// Neither root nor the right token is there.
	m := manager(t, server.Address, nil, map[string]string{tokenFile: "wrong"})
	runManager(t, m)
	await(t, func() bool { c, _ := m.Certificate(); return strings.Contains(c.Error, "root-cert.pem") })
	write(t, rootFile, string(ca.RootPEM))
	await(t, func() bool { c, _ := m.Certificate(); return strings.Contains(c.Error, "authenticate failure") })
	assert.NoError(t, call(t, m))
	assert.Equal(t, <-callers, caller{Token: "wrong"})
	write(t, tokenFile, "right")
	await(t, func() bool { c, _ := m.Certificate(); return c.Identity == spiffeID && c.Error == "" })
}

// TestCertificateThatIstiodDoesNotKnow: istiod has a new root, of the same name, that does not know the certificate.
func TestCertificateThatIstiodDoesNotKnow(t *testing.T) {
	ca, other := standin.NewCA(t), standin.NewCA(t)
	server, callers := istiod(t, "token", standin.WithTLS(ca.Server(t), other))
	caServer := standin.Start(t, nil, standin.WithTLS(ca.Server(t), ca), standin.WithCA(ca))
	m := manager(t, server.Address, map[string]string{"CA_ADDR": caServer.Address},
		map[string]string{rootFile: string(ca.RootPEM), tokenFile: "token"})
	runManager(t, m)
	await(t, func() bool { c, _ := m.Certificate(); return c.Identity != "" })

	err := call(t, m)
	assert.Error(t, err)
	m.Failed(err, false)
	assert.NoError(t, call(t, m))
	assert.Equal(t, <-callers, caller{Token: "token"})
	c, _ := m.Certificate()
	assert.Equal(t, c.Withheld, true)

	// It is tried again later; a connection that was lost after it had worked is no reason to go without.
	assert.Error(t, call(t, m))
	m.Failed(status.Error(codes.Unavailable, "connection lost"), true)
	assert.Error(t, call(t, m))
	m.Failed(status.Error(codes.Unauthenticated, "authentication failure"), false)
	assert.Error(t, call(t, m))
}

func TestProvisionedCertificate(t *testing.T) {
	ca := standin.NewCA(t)
	server, callers := istiod(t, "", standin.WithTLS(ca.Server(t), ca), standin.WithCA(ca))
	m := manager(t, server.Address, nil, map[string]string{rootFile: string(ca.RootPEM)})
	// Istio's agent writes what it gets to OUTPUT_CERTS; use that as another one's PROV_CERT.
	dir := t.TempDir()
	m.cfg.Security.OutputKeyCertToDir = dir
	runManager(t, m)
	await(t, func() bool { c, _ := m.Certificate(); return c.Identity != "" && c.Error == "" })
	for _, f := range []string{"key.pem", "cert-chain.pem", "root-cert.pem"} {
		if _, err := os.Stat(filepath.Join(dir, f)); err != nil {
			t.Fatal(err)
		}
	}
	vm := manager(t, server.Address, map[string]string{"PROV_CERT": dir}, nil)
	assert.NoError(t, call(t, vm))
	assert.Equal(t, <-callers, caller{Identity: spiffeID})

	// A certificate that cannot be read is not a reason to fail: the token does.
	write(t, filepath.Join(dir, "cert-chain.pem"), "nonsense")
	assert.NoError(t, call(t, vm))
	assert.Equal(t, <-callers, caller{})
}

func TestServerIsVerified(t *testing.T) {
	ca, other := standin.NewCA(t), standin.NewCA(t)
	server, callers := istiod(t, "token", standin.WithTLS(ca.Server(t, "istiod.istio-system.svc"), ca))
	_, port, err := net.SplitHostPort(server.Address)
	assert.NoError(t, err)
	roots := t.TempDir()
	write(t, filepath.Join(roots, "ca.pem"), string(ca.RootPEM))
	write(t, filepath.Join(roots, "other.pem"), string(other.RootPEM))
	write(t, filepath.Join(roots, "none.pem"), "nothing")
	for _, tt := range []struct {
		name    string
		address string
		environ map[string]string
		files   map[string]string
		// want is a part of the error and its explanation; "" connects.
		want []string
	}{
		{"the mounted root", server.Address, nil, map[string]string{rootFile: string(ca.RootPEM)}, nil},
		{"XDS_ROOT_CA", server.Address, map[string]string{"XDS_ROOT_CA": roots + "/ca.pem"}, nil, nil},
		{"old certificates directory", server.Address, nil, map[string]string{"./etc/certs/root-cert.pem": string(ca.RootPEM)}, nil},
		{"localhost is istiod", "localhost:" + port, nil, map[string]string{rootFile: string(ca.RootPEM)}, nil},
		{"ISTIOD_SAN", server.Address, map[string]string{"ISTIOD_SAN": "istiod.istio-system.svc"}, map[string]string{rootFile: string(ca.RootPEM)}, nil},

		{
			"another name", server.Address,
			map[string]string{"ISTIOD_SAN": "istiod.other.svc"},
			map[string]string{rootFile: string(ca.RootPEM)},
			[]string{"x509", "istiod.other.svc", "ISTIOD_SAN"},
		},
		{"another root", server.Address, map[string]string{"XDS_ROOT_CA": roots + "/other.pem"}, nil, []string{"x509", "other.pem", "XDS_ROOT_CA"}},
		{"the system's roots", server.Address, map[string]string{"XDS_ROOT_CA": "SYSTEM"}, nil, []string{"x509", "the system's roots"}},
		{"no root", server.Address, nil, nil, []string{"var/run/secrets/istio/root-cert.pem", "istio-ca-root-cert"}},
		{"no root where it should be", server.Address, map[string]string{"XDS_ROOT_CA": "/nowhere.pem"}, nil, []string{"/nowhere.pem"}},
		{"an empty root", server.Address, map[string]string{"XDS_ROOT_CA": roots + "/none.pem"}, nil, []string{"none.pem", "PEM"}},
		{"provider none", server.Address, map[string]string{"PILOT_CERT_PROVIDER": "none"}, nil, []string{"XDS_ROOT_CA"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := manager(t, tt.address, tt.environ, tt.files)
			write(t, tokenFile, "token")
			err := call(t, m)
			if tt.want == nil {
				assert.NoError(t, err)
				assert.Equal(t, <-callers, caller{Token: "token"})
				return
			}
			assert.Error(t, err)
			text := err.Error() + " " + m.Explain(err)
			for _, want := range tt.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q does not say %q", text, want)
				}
			}
			select {
			case c := <-callers:
				t.Fatalf("a server that is not trusted was told %+v", c)
			default:
			}
		})
	}
}

func TestPlaintextOnlyWhenToldSo(t *testing.T) {
	server, callers := istiod(t, "")
	m := manager(t, server.Address, nil, map[string]string{tokenFile: "token"})
	write(t, rootFile, string(standin.NewCA(t).RootPEM))
	err := call(t, m)
	assert.Error(t, err)
	if more := m.Explain(err); !strings.Contains(more, "15012") {
		t.Errorf("%q does not name the port with TLS", more)
	}
	select {
	case c := <-callers:
		t.Fatalf("plaintext without the switch: %+v", c)
	default:
	}

	// With the switch there is a connection, and the token stays here all the same.
	m = manager(t, server.Address, map[string]string{"ISTIOD_PLAINTEXT": "true"}, map[string]string{tokenFile: "token"})
	assert.NoError(t, call(t, m))
	assert.Equal(t, <-callers, caller{})
	_, used := m.Certificate()
	assert.Equal(t, used, false)
	// There is nothing to do.
	m.Run(context.Background())

	// The switch against a server with TLS is told.
	ca := standin.NewCA(t)
	withTLS, _ := istiod(t, "", standin.WithTLS(ca.Server(t), ca))
	m = manager(t, withTLS.Address, map[string]string{"ISTIOD_PLAINTEXT": "true"}, nil)
	err = call(t, m)
	assert.Error(t, err)
	if more := m.Explain(err); !strings.Contains(more, "ISTIOD_PLAINTEXT") {
		t.Errorf("%q (%v) does not name the switch", more, err)
	}
}

func TestExplainToken(t *testing.T) {
	jwt := func(claims string) string {
		part := base64.RawURLEncoding.EncodeToString
		return part([]byte(`{"alg":"none"}`)) + "." + part([]byte(claims)) + "." + part([]byte("SIGNATURE"))
	}
	for _, tt := range []struct {
		name, token, want string
	}{
		{"none", "", "no bearer token was sent"},
		{"empty", " \n", "is empty"},
		{"nonsense", "NONSENSE", "not a JWT"},
		{"expired", jwt(`{"exp":1600000000}`), "expired at 2020-09-13T12:26:40Z"},
		{"good", jwt(fmt.Sprintf(`{"exp":%d}`, time.Now().Add(time.Hour).Unix())), "audience"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string]string{}
			if tt.token != "" {
				files[tokenFile] = tt.token
			}
			m := manager(t, "127.0.0.1:1", nil, files)
			got := m.Explain(status.Error(codes.Unauthenticated, "authentication failure"))
			if !strings.Contains(got, tt.want) || !strings.Contains(got, "istio-token") {
				t.Errorf("%q does not say %q", got, tt.want)
			}
			if token := strings.TrimSpace(tt.token); token != "" && strings.Contains(got, token) {
				t.Errorf("%q tells the token", got)
			}
		})
	}
}

func TestUnknownCAProvider(t *testing.T) {
	t.Setenv("CA_PROVIDER", "GoogleCAS")
	t.Setenv("POD_NAME", "a")
	t.Setenv("POD_NAMESPACE", "b")
	t.Chdir(t.TempDir())
	cfg, err := config.New(config.Args{})
	assert.NoError(t, err)
	_, err = New(cfg)
	if err == nil || !strings.Contains(err.Error(), "CA_PROVIDER") {
		t.Fatalf("error %v does not name CA_PROVIDER", err)
	}
}
