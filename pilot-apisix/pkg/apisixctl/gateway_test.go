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

package apisixctl_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"istio.io/istio/pkg/test/util/assert"
)

// TestGateway translates for a gateway whose certificate is in the directory. Its key is in no output.
func TestGateway(t *testing.T) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	assert.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	assert.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(k)
	assert.NoError(t, err)
	encode := func(kind string, b []byte) string {
		return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	secret := filepath.Join(t.TempDir(), "secret.yaml")
	assert.NoError(t, os.WriteFile(secret, fmt.Appendf(nil, "apiVersion: v1\nkind: Secret\nmetadata: {name: secure, namespace: shop}\ndata: {tls.crt: %s, tls.key: %s}\n",
		encode("CERTIFICATE", der), encode("PRIVATE KEY", private)), 0o600))

	for _, format := range []string{"json", "yaml", "apisix"} {
		out, errs, err := run(t, "translate", "-f", "testdata/gateway.yaml", "-f", secret, "--proxy", "ingress.shop", "-o", format)
		assert.NoError(t, err)
		if strings.Contains(out+errs, "PRIVATE KEY") {
			t.Errorf("%s has the key", format)
		}
		for _, want := range []string{"mesh-listeners", "outbound_8443_sni_a.through.test", "outbound_9000", "8080_www.example.com_1", "tls_8444_secure.example.com"} {
			if !strings.Contains(out, want) {
				t.Errorf("%s has no %s:\n%s", format, want, out)
			}
		}
		if (format != "apisix") != strings.Contains(out, "gateway_secure.example.com") {
			t.Errorf("%s: a certificate without its key is for people only:\n%s", format, out)
		}
	}

	out, _, err := run(t, "explain", "-f", "testdata/gateway.yaml", "-f", secret, "--proxy", "ingress.shop", "--request", "GET https://secure.example.com:8444/api/x")
	assert.NoError(t, err)
	if !strings.Contains(out, "HTTPRoute shop/web") {
		t.Error(out)
	}
}
