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

package token

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
)

func newAuthority(t *testing.T) *Authority {
	t.Helper()
	key, err := LoadOrCreateKey(filepath.Join(t.TempDir(), "state", "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewAuthority(key)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func issue(t *testing.T, a *Authority, req Request) string {
	t.Helper()
	tok, err := a.Issue(req)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func TestReviewAccepts(t *testing.T) {
	a := newAuthority(t)
	tests := []struct {
		name      string
		request   Request
		audiences []string
		want      authenticationv1.TokenReviewStatus
	}{
		{
			name:      "service account",
			request:   Request{Namespace: "default", ServiceAccount: "reviews"},
			audiences: []string{"istio-ca"},
			want: authenticationv1.TokenReviewStatus{
				Authenticated: true,
				Audiences:     []string{"istio-ca"},
				User: authenticationv1.UserInfo{
					Username: "system:serviceaccount:default:reviews",
					UID:      uid("ServiceAccount", "default", "reviews"),
					Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"},
				},
			},
		},
		{
			name:      "bound to a pod, one audience of several",
			request:   Request{Namespace: "prod", ServiceAccount: "a.b", Pod: "a-1", Audiences: []string{"vault", "istio-ca"}},
			audiences: []string{"istio-ca", "other"},
			want: authenticationv1.TokenReviewStatus{
				Authenticated: true,
				Audiences:     []string{"istio-ca"},
				User: authenticationv1.UserInfo{
					Username: "system:serviceaccount:prod:a.b",
					UID:      uid("ServiceAccount", "prod", "a.b"),
					Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:prod", "system:authenticated"},
					Extra: map[string]authenticationv1.ExtraValue{
						"authentication.kubernetes.io/pod-name": {"a-1"},
						"authentication.kubernetes.io/pod-uid":  {uid("Pod", "prod", "a-1")},
					},
				},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := a.Review(issue(t, a, tt.request), tt.audiences)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReviewRefuses(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	good := Request{Namespace: "default", ServiceAccount: "reviews"}
	past := *a
	past.now = func() time.Time { return time.Now().Add(-48 * time.Hour) }
	future := *a
	future.now = func() time.Time { return time.Now().Add(48 * time.Hour) }

	sign := func(key *ecdsa.PrivateKey, public jwt.Claims, private claims) string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, nil)
		if err != nil {
			t.Fatal(err)
		}
		s, err := jwt.Signed(signer).Claims(public).Claims(private).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	own := claims{Kubernetes: kubernetesClaims{Namespace: "default", ServiceAccount: reference{Name: "reviews"}}}
	soon := jwt.NewNumericDate(time.Now().Add(time.Hour))
	hmac, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: make([]byte, 32)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	symmetric, err := jwt.Signed(hmac).Claims(jwt.Claims{Issuer: Issuer}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	valid := issue(t, a, good)

	tests := []struct {
		name, token, want string
	}{
		{"empty", "", "not a JWT"},
		{"not a token", "a.b.c", "not a JWT"},
		{"other algorithm", symmetric, "not a JWT signed with ES256"},
		{"other key", issue(t, other, good), "signature"},
		{"changed claims", tamper(t, valid), "signature"},
		{"expired", issue(t, &past, good), "expired at"},
		{"not yet valid", issue(t, &future, good), "not valid yet"},
		{
			"other audience", issue(t, a, Request{Namespace: "default", ServiceAccount: "reviews", Audiences: []string{"vault"}}),
			"audience vault, and istio-ca is needed",
		},
		{"other issuer", sign(a.key, jwt.Claims{Issuer: "https://elsewhere", Audience: jwt.Audience{DefaultAudience}, Expiry: soon}, own), "iss"},
		{"no expiry", sign(a.key, jwt.Claims{Issuer: Issuer, Audience: jwt.Audience{DefaultAudience}}, own), "no expiry"},
		{
			"subject of another", sign(a.key, jwt.Claims{
				Issuer: Issuer, Audience: jwt.Audience{DefaultAudience}, Expiry: soon,
				Subject: "system:serviceaccount:default:ratings",
			}, own),
			"no service account",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := a.Review(tt.token, []string{DefaultAudience})
			if got.Authenticated || !strings.Contains(got.Error, tt.want) {
				t.Errorf("got %+v, want an error with %q", got, tt.want)
			}
			if tt.token != "" && strings.Contains(got.Error, tt.token) {
				t.Error("the error has the token in it")
			}
		})
	}
}

// tamper changes one character in the middle of the claims.
func tamper(t *testing.T, tok string) string {
	t.Helper()
	parts := strings.Split(tok, ".")
	claims := []byte(parts[1])
	i := len(claims) / 2
	if claims[i] == 'A' {
		claims[i] = 'B'
	} else {
		claims[i] = 'A'
	}
	parts[1] = string(claims)
	return strings.Join(parts, ".")
}

func TestIssueRefuses(t *testing.T) {
	a := newAuthority(t)
	for name, tt := range map[string]struct {
		request Request
		want    string
	}{
		"namespace":       {Request{Namespace: "A b", ServiceAccount: "x"}, `namespace "A b"`},
		"service account": {Request{Namespace: "default", ServiceAccount: "x:y"}, `service account "x:y"`},
		"pod":             {Request{Namespace: "default", ServiceAccount: "x", Pod: "_"}, `pod "_"`},
		"duration":        {Request{Namespace: "default", ServiceAccount: "x", Duration: -time.Second}, "duration"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := a.Issue(tt.request); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestKeyFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state", "key.pem")
	// Several processes that start at once must agree on one key.
	keys := make([]*ecdsa.PrivateKey, 8)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			var err error
			if keys[i], err = LoadOrCreateKey(file); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, k := range keys {
		if k == nil || !k.Equal(keys[0]) {
			t.Fatal("two callers got different keys")
		}
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	left, err := os.ReadDir(filepath.Dir(file))
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != 1 {
		t.Errorf("files left beside the key: %v", left)
	}
}

func TestKeyFileRefused(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return file
	}
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ file, want string }{
		"open to others": {write("open", "x", 0o644), "chmod 600"},
		"no PEM":         {write("text", "x", 0o600), "no PEM block"},
		"no key":         {write("empty", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0o600), "empty"},
		"other curve":    {write("p384", pemOf(t, key), 0o600), "P-256"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := LoadOrCreateKey(tt.file); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func pemOf(t *testing.T, key *ecdsa.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}))
}
