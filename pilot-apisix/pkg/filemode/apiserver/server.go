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

package apiserver

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Server serves a Store on loopback.
type Server struct {
	handler *handler
	http    *http.Server
	addr    string
	caPEM   []byte
	token   string
	cancel  context.CancelFunc
	done    chan struct{}
}

// Start listens on a free port of 127.0.0.1 and serves until Close.
func Start(store *Store, hooks Hooks) (*Server, error) {
	cert, caPEM, err := loopbackCertificate()
	if err != nil {
		return nil, fmt.Errorf("certificate of the in-process API server: %w", err)
	}
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("in-process API server: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{
		handler: &handler{store: store, hooks: hooks},
		addr:    listener.Addr().String(),
		caPEM:   caPEM,
		token:   hex.EncodeToString(secret),
		cancel:  cancel,
		done:    make(chan struct{}),
	}
	s.http = &http.Server{
		Handler:           s.authenticated(s.handler),
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13},
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       90 * time.Second,
		// Watches last until their client leaves or the server does.
		BaseContext: func(net.Listener) context.Context { return ctx },
		// What is logged here are handshakes of others on the machine, who have no business here.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	go func() {
		defer close(s.done)
		// The error is always that the server was closed.
		_ = s.http.ServeTLS(listener, "", "")
	}()
	return s, nil
}

// authenticated lets only those through who have read the kubeconfig.
func (s *Server) authenticated(next http.Handler) http.Handler {
	want := []byte("Bearer " + s.token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), want) != 1 {
			writeError(w, apierrors.NewUnauthorized("this API serves only the process that it runs in"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Kubeconfig tells a client how to reach the server. It holds the token: write it to no file that others can read.
func (s *Server) Kubeconfig() clientcmdapi.Config {
	const name = "in-process"
	return clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{
			name: {Server: "https://" + s.addr, CertificateAuthorityData: s.caPEM},
		},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{name: {Token: s.token}},
		Contexts:       map[string]*clientcmdapi.Context{name: {Cluster: name, AuthInfo: name}},
		CurrentContext: name,
	}
}

const (
	// idleTime is how long no request must have come for the clients to be done, and drainTime how long they may take.
	idleTime  = 30 * time.Millisecond
	drainTime = time.Second
)

// Close lets the clients, who have been told to stop, finish what they are doing, and stops the server. Without that
// they would log the failure of requests that nobody is interested in any more.
func (s *Server) Close() error {
	deadline := time.Now().Add(drainTime)
	for !s.handler.idle(idleTime) && time.Now().Before(deadline) {
		time.Sleep(idleTime / 6)
	}
	s.cancel()
	err := s.http.Close()
	<-s.done
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// loopbackCertificate makes a certificate for 127.0.0.1 that is its own authority. It lives as long as the process does.
func loopbackCertificate() (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "pilot-apisix in-process API server"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(10, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	caPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, caPEM, nil
}
