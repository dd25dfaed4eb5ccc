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
	"crypto/tls"
	"fmt"
	"strings"
	"sync"
	"time"

	"istio.io/istio/pkg/backoff"
	istiolog "istio.io/istio/pkg/log"
	istiosecurity "istio.io/istio/pkg/security"
	"istio.io/istio/security/pkg/nodeagent/cache"
	"istio.io/istio/security/pkg/nodeagent/caclient/providers/citadel"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/config"
)

var log = istiolog.RegisterScope("agentsecurity", "certificates and credentials of the APISIX agent")

const (
	citadelProvider = "Citadel"
	// retryCA bounds the time between two attempts to get a certificate.
	retryCA = 30 * time.Second
)

// Manager holds the credentials of one workload. Its methods may be called from any goroutine.
type Manager struct {
	cfg *config.Config
	// output is nil when no proxy needs the certificate.
	output *Output

	mu sync.Mutex
	// workload is the current certificate, nil until the CA has given one.
	workload *tls.Certificate
	// err is why there is none, or why the last renewal failed.
	err error
	// presented is whether istiod was shown the certificate on the present connection, withheld whether it must not be.
	presented, withheld bool
	// withholdNext is withheld for the next connection.
	withholdNext bool
}

// New makes a Manager. It neither connects nor reads a certificate; it fails when the configured CA provider is not
// one that Istio's agent has built in.
func New(cfg *config.Config) (*Manager, error) {
	m := &Manager{cfg: cfg}
	if cfg.XDS.Plaintext {
		log.Warnf("connection to istiod at %s WITHOUT TLS, as asked for by %s: whoever reaches this network can read and change "+
			"this proxy's configuration", cfg.XDS.Address, cfg.XDS.PlaintextReason)
	}
	if m.usesCA() && cfg.Security.CAProviderName != citadelProvider {
		return nil, fmt.Errorf("CA_PROVIDER=%q: only %s is built in", cfg.Security.CAProviderName, citadelProvider)
	}
	return m, nil
}

// SetOutput has the certificate written for the proxy. It is called before Run, and false when the workload uses none.
func (m *Manager) SetOutput(o *Output) bool {
	if !m.usesCertificates() {
		return false
	}
	m.output = o
	o.resume()
	return true
}

// usesCA is false when certificates come as files, and when plaintext was asked for and no other CA is named.
func (m *Manager) usesCA() bool {
	o := m.cfg.Security
	if o.FileMountedCerts || workloadFiles() {
		return false
	}
	return !m.cfg.XDS.Plaintext || o.CAEndpoint != m.cfg.XDS.Address
}

// usesCertificates is false when the workload has no identity at all.
func (m *Manager) usesCertificates() bool {
	return m.usesCA() || m.cfg.Security.FileMountedCerts || workloadFiles()
}

func workloadFiles() bool {
	return istiosecurity.CheckWorkloadCertificate(istiosecurity.WorkloadIdentityCertChainPath,
		istiosecurity.WorkloadIdentityKeyPath, istiosecurity.WorkloadIdentityRootCertPath)
}

// Run keeps the workload's certificate: it requests one, retries with backoff, and requests the next one before it
// expires. It returns when ctx ends.
func (m *Manager) Run(ctx context.Context) {
	if !m.usesCertificates() {
		return
	}
	retry := backoff.NewExponentialBackOff(backoff.Option{InitialInterval: backoff.DefaultOption().InitialInterval, MaxInterval: retryCA})
	var secrets *cache.SecretManagerClient
	err := retry.RetryWithContext(ctx, func() (err error) {
		// The root of the CA may be mounted late.
		secrets, err = m.newSecretManager()
		return m.record(err)
	})
	if err != nil {
		return
	}
	defer secrets.Close()
	renew := make(chan struct{}, 1)
	// The handler is called under a lock of the secret manager: it may only signal.
	secrets.RegisterSecretHandler(func(string) {
		select {
		case renew <- struct{}{}:
		default:
		}
	})
	for {
		if err := retry.RetryWithContext(ctx, func() error { return m.record(m.request(secrets)) }); err != nil {
			return
		}
		select {
		case <-renew:
		case <-ctx.Done():
			return
		}
	}
}

// request gets the certificate and the roots from the secret manager, which also writes them to OUTPUT_CERTS.
func (m *Manager) request(secrets *cache.SecretManagerClient) error {
	item, err := secrets.GenerateSecret(istiosecurity.WorkloadKeyCertResourceName)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(item.CertificateChain, item.PrivateKey)
	if err != nil {
		return fmt.Errorf("certificate of the workload: %w", err)
	}
	root, err := secrets.GenerateSecret(istiosecurity.RootCertReqResourceName)
	if err != nil {
		return err
	}
	if m.output != nil {
		if err := m.output.write(item, root); err != nil {
			return fmt.Errorf("certificate of the workload for the proxy: %w", err)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.workload == nil || serial(m.workload) != serial(&pair) {
		log.Infof("certificate of the workload: %s, valid until %s", identity(&pair), pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	m.workload = &pair
	return nil
}

// record keeps err for the admin page and logs it; it returns err.
func (m *Manager) record(err error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
	if err != nil {
		log.Warnf("no certificate for the workload yet: %v", err)
	}
	return err
}

func (m *Manager) newSecretManager() (*cache.SecretManagerClient, error) {
	o := m.cfg.Security
	if !m.usesCA() {
		if workloadFiles() {
			o.RootCertFilePath = istiosecurity.WorkloadIdentityRootCertPath
			o.CertChainFilePath = istiosecurity.WorkloadIdentityCertChainPath
			o.KeyFilePath = istiosecurity.WorkloadIdentityKeyPath
			o.FileMountedCerts = true
		}
		return cache.NewSecretManagerClient(nil, o)
	}
	var tlsOptions *citadel.TLSOptions
	if strings.HasSuffix(o.CAEndpoint, ":15010") {
		log.Warnf("CA at %s is reached without TLS, because of its port 15010", o.CAEndpoint)
	} else {
		root, err := m.caRoot()
		if err != nil {
			return nil, err
		}
		key, cert := m.provisioned()
		tlsOptions = &citadel.TLSOptions{RootCert: root, Key: key, Cert: cert}
	}
	client, err := citadel.NewCitadelClient(o, tlsOptions)
	if err != nil {
		return nil, err
	}
	secrets, err := cache.NewSecretManagerClient(client, o)
	if err != nil {
		client.Close()
		return nil, err
	}
	return secrets, nil
}

// Certificate describes the workload's certificate, for the admin page.
type Certificate struct {
	// Identity is the SPIFFE id.
	Identity     string    `json:"identity,omitempty"`
	SerialNumber string    `json:"serialNumber,omitempty"`
	NotBefore    time.Time `json:"notBefore,omitzero"`
	NotAfter     time.Time `json:"notAfter,omitzero"`
	// Withheld is set when istiod is not shown it on the present connection, because the one before failed with it.
	Withheld bool `json:"withheld,omitempty"`
	// Error is why there is no certificate, or no newer one.
	Error string `json:"error,omitempty"`
}

// Certificate is the current state; false when the workload uses no certificates.
func (m *Manager) Certificate() (Certificate, bool) {
	if !m.usesCertificates() {
		return Certificate{}, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var c Certificate
	if m.err != nil {
		c.Error = m.err.Error()
	}
	if w := m.workload; w != nil {
		c.Identity = identity(w)
		c.SerialNumber = serial(w)
		c.NotBefore, c.NotAfter = w.Leaf.NotBefore, w.Leaf.NotAfter
		c.Withheld = m.withheld
	}
	return c, true
}

func identity(c *tls.Certificate) string {
	if len(c.Leaf.URIs) == 0 {
		return c.Leaf.Subject.String()
	}
	return c.Leaf.URIs[0].String()
}
