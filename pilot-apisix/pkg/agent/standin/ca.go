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

package standin

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	pb "istio.io/api/security/v1alpha1"
)

// CA is a certificate authority with Istio's gRPC service. It signs what it is asked to for whoever has its token.
type CA struct {
	// RootPEM is its certificate.
	RootPEM []byte
	// Token is the only one that it accepts; any when empty.
	Token string
	// Lifetime is that of the certificates (0: an hour).
	Lifetime time.Duration

	pb.UnimplementedIstioCertificateServiceServer
	key  *ecdsa.PrivateKey
	cert *x509.Certificate

	mu     sync.Mutex
	serial int64
	issued int
}

// NewCA makes a CA with a key of its own. All have the same name, as Istio's have.
func NewCA(t testing.TB) *CA {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{Organization: []string{"cluster.local"}},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &CA{RootPEM: pemOf(der), key: key, cert: cert, serial: 1}
}

// Pool has the CA's root.
func (c *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.cert)
	return pool
}

// Server is a certificate for istiod, valid for 127.0.0.1 and the names.
func (c *CA) Server(t testing.TB, names ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := c.sign(&x509.Certificate{
		DNSNames:    names,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der, c.cert.Raw}, PrivateKey: key}
}

func (c *CA) sign(template *x509.Certificate, public any) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.serial++
	lifetime := c.Lifetime
	if lifetime == 0 {
		lifetime = time.Hour
	}
	template.SerialNumber = big.NewInt(c.serial)
	template.NotBefore = time.Now().Add(-time.Second)
	template.NotAfter = time.Now().Add(lifetime)
	return x509.CreateCertificate(rand.Reader, template, c.cert, public, c.key)
}

// Issued is the number of certificates that were issued to workloads.
func (c *CA) Issued() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.issued
}

// CreateCertificate implements Istio's service.
func (c *CA) CreateCertificate(ctx context.Context, request *pb.IstioCertificateRequest) (*pb.IstioCertificateResponse, error) {
	if c.Token != "" && Bearer(ctx) != c.Token {
		return nil, status.Error(codes.Unauthenticated, "request authenticate failure")
	}
	block, _ := pem.Decode([]byte(request.GetCsr()))
	if block == nil {
		return nil, errors.New("stand-in: no CSR")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, err
	}
	der, err := c.sign(&x509.Certificate{
		URIs:        csr.URIs,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}, csr.PublicKey)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.issued++
	return &pb.IstioCertificateResponse{CertChain: []string{string(pemOf(der)), string(c.RootPEM)}}, nil
}

// WithCA adds the CA's service to a server of Start.
func WithCA(c *CA) Option {
	return Option{Register: func(s *grpc.Server) { pb.RegisterIstioCertificateServiceServer(s, c) }}
}

// WithTLS makes a server of Start speak TLS as istiod's port 15012 does: a client may show a certificate, and if it
// does, it must be one of clients.
func WithTLS(server tls.Certificate, clients *CA) Option {
	return Option{Server: grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{server},
		ClientAuth:   tls.VerifyClientCertIfGiven,
		ClientCAs:    clients.Pool(),
		MinVersion:   tls.VersionTLS12,
	}))}
}

// Identity is the SPIFFE id of the certificate that a client showed, "" without one.
func Identity(ctx context.Context) string {
	p, _ := peer.FromContext(ctx)
	if p == nil {
		return ""
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.PeerCertificates) == 0 || len(info.State.PeerCertificates[0].URIs) == 0 {
		return ""
	}
	return info.State.PeerCertificates[0].URIs[0].String()
}

// Bearer is the token of a request, "" without one.
func Bearer(ctx context.Context) string {
	md, _ := metadata.FromIncomingContext(ctx)
	for _, v := range md.Get("authorization") {
		const scheme = "Bearer "
		if len(v) > len(scheme) && v[:len(scheme)] == scheme {
			return v[len(scheme):]
		}
	}
	return ""
}

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
