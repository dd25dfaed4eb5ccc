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

package generate_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"time"

	"istio.io/istio/pkg/test/util/assert"
)

// placeholder stands in the Secrets of a case: "{{cert NAME}}" for a certificate of that name, "{{key NAME}}" for its key.
var placeholder = regexp.MustCompile(`\{\{(cert|key) ([a-zA-Z0-9.-]+)\}\}`)

// withCertificates fills in certificates that are made here, so that no key is in the repository.
func withCertificates(t testing.TB, input string) string {
	t.Helper()
	made := map[string]map[string]string{}
	return placeholder.ReplaceAllStringFunc(input, func(s string) string {
		m := placeholder.FindStringSubmatch(s)
		if made[m[2]] == nil {
			cert, key := certificate(t, m[2])
			made[m[2]] = map[string]string{"cert": cert, "key": key}
		}
		return base64.StdEncoding.EncodeToString([]byte(made[m[2]][m[1]]))
	})
}

func certificate(t testing.TB, name string) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	assert.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{name}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	assert.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(k)
	assert.NoError(t, err)
	encode := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return encode("CERTIFICATE", der), encode("PRIVATE KEY", private)
}

// withoutPEM says in the place of certificates and keys whose they are.
func withoutPEM(t testing.TB, object []byte) json.RawMessage {
	t.Helper()
	if !strings.Contains(string(object), "-----BEGIN ") {
		return object
	}
	var value any
	assert.NoError(t, json.Unmarshal(object, &value))
	out, err := json.Marshal(describePEM(value))
	assert.NoError(t, err)
	return out
}

func describePEM(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for k := range v {
			v[k] = describePEM(v[k])
		}
	case []any:
		for i := range v {
			v[i] = describePEM(v[i])
		}
	case string:
		block, _ := pem.Decode([]byte(v))
		if block == nil {
			return v
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			return "certificate of " + c.Subject.CommonName
		}
		return "key"
	}
	return value
}
