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
	"os"
	"path/filepath"
	"testing"
	"time"

	pkiutil "istio.io/istio/security/pkg/pki/util"
)

// authority signs certificates. The mesh's has an intermediate one below its root, as a plugged-in CA of a company has.
type authority struct {
	cert, key, root []byte
}

func newAuthority(t *testing.T, org string) *authority {
	t.Helper()
	rootCert, rootKey, err := pkiutil.GenCertKeyFromOptions(pkiutil.CertOptions{
		TTL: time.Hour, Org: org + " root", IsCA: true, IsSelfSigned: true, ECSigAlg: pkiutil.EcdsaSigAlg,
	})
	if err != nil {
		t.Fatal(err)
	}
	root, rootPrivate, err := parse(rootCert, rootKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := pkiutil.GenCertKeyFromOptions(pkiutil.CertOptions{
		TTL: time.Hour, Org: org, IsCA: true, ECSigAlg: pkiutil.EcdsaSigAlg, SignerCert: root.Leaf, SignerPriv: rootPrivate,
	})
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert: cert, key: key, root: rootCert}
}

func parse(cert, key []byte) (tls.Certificate, any, error) {
	pair, err := tls.X509KeyPair(cert, key)
	return pair, pair.PrivateKey, err
}

// plugIn writes the authority as istiod wants it.
func (a *authority) plugIn(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"ca-cert.pem": a.cert, "ca-key.pem": a.key, "root-cert.pem": a.root, "cert-chain.pem": a.cert,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// issue signs a certificate for names, of which a SPIFFE id is one, that is valid from a time on for so long.
func (a *authority) issue(t *testing.T, from time.Time, ttl time.Duration, names string) tls.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair(a.issuePEM(t, from, ttl, names))
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// issuePEM is the same in PEM.
func (a *authority) issuePEM(t *testing.T, from time.Time, ttl time.Duration, names string) (chain, private []byte) {
	t.Helper()
	signer, signerKey, err := parse(a.cert, a.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := pkiutil.GenCertKeyFromOptions(pkiutil.CertOptions{
		Host: names, NotBefore: from, TTL: ttl, IsClient: true, IsServer: true, ECSigAlg: pkiutil.EcdsaSigAlg, SignerCert: signer.Leaf, SignerPriv: signerKey,
	})
	if err != nil {
		t.Fatal(err)
	}
	return append(cert, a.cert...), key
}
