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
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	authenticationv1 "k8s.io/api/authentication/v1"
)

const (
	cryptoHash = crypto.SHA256
	// leeway allows for clocks of two machines that differ.
	leeway = 10 * time.Second

	podNameKey = "authentication.kubernetes.io/pod-name"
	podUIDKey  = "authentication.kubernetes.io/pod-uid"
)

func encodeKeyID(thumbprint []byte) string {
	return base64.RawURLEncoding.EncodeToString(thumbprint)
}

// Review answers a TokenReview as Kubernetes would: who the token belongs to, or why it is refused. audiences are those of
// which the token must have one; with none given, DefaultAudience.
func (a *Authority) Review(token string, audiences []string) authenticationv1.TokenReviewStatus {
	user, common, err := a.verify(token, audiences)
	if err != nil {
		return authenticationv1.TokenReviewStatus{Error: err.Error()}
	}
	return authenticationv1.TokenReviewStatus{Authenticated: true, User: user, Audiences: common}
}

// verify gives the user that a token names and the audiences that it was accepted for. Its errors say nothing of what the
// token contains beyond what a holder knows.
func (a *Authority) verify(token string, audiences []string) (authenticationv1.UserInfo, []string, error) {
	none := authenticationv1.UserInfo{}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return none, nil, errors.New("the token is not a JWT signed with ES256, as this control plane issues them")
	}
	var public jwt.Claims
	var private claims
	if err := parsed.Claims(a.key.Public(), &public, &private); err != nil && !errors.Is(err, jose.ErrCryptoFailure) {
		return none, nil, errors.New("the token's claims cannot be read")
	} else if err != nil {
		return none, nil, errors.New("the token's signature is not that of this control plane's key: " +
			"issue it with the key file (or state directory) that the control plane uses")
	}
	if len(audiences) == 0 {
		audiences = []string{DefaultAudience}
	}
	err = public.ValidateWithLeeway(jwt.Expected{Issuer: Issuer, AnyAudience: audiences, Time: a.now()}, leeway)
	switch {
	case errors.Is(err, jwt.ErrExpired):
		return none, nil, fmt.Errorf("the token expired at %s", public.Expiry.Time().UTC().Format(time.RFC3339))
	case errors.Is(err, jwt.ErrInvalidAudience):
		return none, nil, fmt.Errorf("the token is for audience %s, and %s is needed",
			strings.Join(public.Audience, ","), strings.Join(audiences, " or "))
	case err != nil:
		return none, nil, fmt.Errorf("the token is refused: %w", err)
	case public.Expiry == nil:
		return none, nil, errors.New("the token has no expiry")
	}
	k := private.Kubernetes
	if k.Namespace == "" || k.ServiceAccount.Name == "" || public.Subject != subject(k.Namespace, k.ServiceAccount.Name) {
		return none, nil, errors.New("the token names no service account")
	}
	user := authenticationv1.UserInfo{
		Username: public.Subject,
		UID:      k.ServiceAccount.UID,
		Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:" + k.Namespace, "system:authenticated"},
	}
	if k.Pod != nil {
		user.Extra = map[string]authenticationv1.ExtraValue{podNameKey: {k.Pod.Name}, podUIDKey: {k.Pod.UID}}
	}
	return user, intersect(public.Audience, audiences), nil
}

func intersect(a, b []string) []string {
	var out []string
	for _, s := range a {
		if slices.Contains(b, s) {
			out = append(out, s)
		}
	}
	return out
}
