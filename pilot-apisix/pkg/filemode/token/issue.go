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
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"
	"k8s.io/apimachinery/pkg/util/validation"
)

const (
	// Issuer is the "iss" claim: what Kubernetes has by default.
	Issuer = "https://kubernetes.default.svc.cluster.local"
	// DefaultAudience is the audience that istiod asks for, unless TOKEN_AUDIENCES names others.
	DefaultAudience = "istio-ca"
	// DefaultDuration is how long a token is valid when nothing else is said.
	DefaultDuration = 24 * time.Hour
)

// Request says what a token is to be.
type Request struct {
	// Namespace and ServiceAccount are who the token speaks for.
	Namespace, ServiceAccount string
	// Pod binds the token to a workload of that name; it may be empty.
	Pod string
	// Audiences are those who may accept the token; DefaultAudience when empty.
	Audiences []string
	// Duration is how long the token is valid; DefaultDuration when zero.
	Duration time.Duration
}

// claims are the private claims of a token, as Kubernetes names them.
type claims struct {
	Kubernetes kubernetesClaims `json:"kubernetes.io"`
}

// audienceClaim writes the audiences as a list even when there is one, as Kubernetes does.
type audienceClaim struct {
	Audience []string `json:"aud"`
}

type kubernetesClaims struct {
	Namespace      string     `json:"namespace"`
	ServiceAccount reference  `json:"serviceaccount"`
	Pod            *reference `json:"pod,omitempty"`
}

type reference struct {
	Name string `json:"name"`
	UID  string `json:"uid"`
}

// Authority issues tokens and reviews them, with one key. It can be used from several goroutines.
type Authority struct {
	key    *ecdsa.PrivateKey
	signer jose.Signer
	now    func() time.Time
}

// NewAuthority makes an authority that signs with key, which must be on P-256.
func NewAuthority(key *ecdsa.PrivateKey) (*Authority, error) {
	public := jose.JSONWebKey{Key: key.Public(), Algorithm: string(jose.ES256)}
	thumb, err := public.Thumbprint(cryptoHash)
	if err != nil {
		return nil, err
	}
	signer, err := jose.NewSigner(jose.SigningKey{
		Algorithm: jose.ES256,
		Key:       jose.JSONWebKey{Key: key, KeyID: encodeKeyID(thumb)},
	}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("token signing key: %w", err)
	}
	return &Authority{key: key, signer: signer, now: time.Now}, nil
}

// Issue makes a token.
func (a *Authority) Issue(req Request) (string, error) {
	if err := req.check(); err != nil {
		return "", err
	}
	if len(req.Audiences) == 0 {
		req.Audiences = []string{DefaultAudience}
	}
	if req.Duration == 0 {
		req.Duration = DefaultDuration
	}
	now := a.now()
	private := claims{Kubernetes: kubernetesClaims{
		Namespace:      req.Namespace,
		ServiceAccount: reference{Name: req.ServiceAccount, UID: uid("ServiceAccount", req.Namespace, req.ServiceAccount)},
	}}
	if req.Pod != "" {
		private.Kubernetes.Pod = &reference{Name: req.Pod, UID: uid("Pod", req.Namespace, req.Pod)}
	}
	return jwt.Signed(a.signer).Claims(jwt.Claims{
		Issuer:    Issuer,
		Subject:   subject(req.Namespace, req.ServiceAccount),
		ID:        uuid.NewString(),
		IssuedAt:  jwt.NewNumericDate(now),
		NotBefore: jwt.NewNumericDate(now),
		Expiry:    jwt.NewNumericDate(now.Add(req.Duration)),
	}).Claims(audienceClaim{req.Audiences}).Claims(private).Serialize()
}

func (r Request) check() error {
	var errs []error
	if bad := validation.IsDNS1123Label(r.Namespace); len(bad) > 0 {
		errs = append(errs, fmt.Errorf("namespace %q: %s", r.Namespace, bad[0]))
	}
	if bad := validation.IsDNS1123Subdomain(r.ServiceAccount); len(bad) > 0 {
		errs = append(errs, fmt.Errorf("service account %q: %s", r.ServiceAccount, bad[0]))
	}
	if r.Pod != "" {
		if bad := validation.IsDNS1123Subdomain(r.Pod); len(bad) > 0 {
			errs = append(errs, fmt.Errorf("pod %q: %s", r.Pod, bad[0]))
		}
	}
	if r.Duration < 0 || r.Duration > 0 && r.Duration < time.Second {
		errs = append(errs, fmt.Errorf("duration %s: a token lives for at least a second", r.Duration))
	}
	return errors.Join(errs...)
}

func subject(namespace, serviceAccount string) string {
	return "system:serviceaccount:" + namespace + ":" + serviceAccount
}

// uid names an object that has no UID of its own: always the same for the same object.
func uid(kind, namespace, name string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("/"+kind+"/"+namespace+"/"+name)).String()
}
