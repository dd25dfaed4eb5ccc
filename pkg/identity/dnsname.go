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

package identity

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNoName says that an id has no DNS name.
var ErrNoName = errors.New("no DNS name for the SPIFFE id")

const (
	scheme = "spiffe://"
	// marker stands between service account and trust domain. No name in Kubernetes has an underscore, so that two ids never have
	// the same name.
	marker = "_sa"
	// maxName is how long a server name may be (TLSEXT_MAXLEN_host_name of OpenSSL).
	maxName = 255
)

// DNSName is "<service account>.<namespace>._sa.<trust domain>" for "spiffe://<trust domain>/ns/<namespace>/sa/<service account>". An
// error wraps ErrNoName: the id is none of Istio's, or the name would be too long for TLS.
func DNSName(id string) (string, error) {
	rest, ok := strings.CutPrefix(id, scheme)
	parts := strings.Split(rest, "/")
	if !ok || len(parts) != 5 || parts[1] != "ns" || parts[3] != "sa" {
		return "", fmt.Errorf("%w %q: it is not %s<trust domain>/ns/<namespace>/sa/<service account>", ErrNoName, id, scheme)
	}
	domain, namespace, account := parts[0], parts[2], parts[4]
	for _, p := range []struct {
		part, value string
		dots        bool
	}{{"trust domain", domain, true}, {"namespace", namespace, false}, {"service account", account, true}} {
		if !isName(p.value, p.dots) {
			return "", fmt.Errorf("%w %q: the %s %q is not one of lower case letters, digits and hyphens", ErrNoName, id, p.part, p.value)
		}
	}
	name := account + "." + namespace + "." + marker + "." + domain
	if len(name) > maxName {
		return "", fmt.Errorf("%w %q: %q has more than %d characters", ErrNoName, id, name, maxName)
	}
	return name, nil
}

// isName says whether s is of labels as Kubernetes has them: one, or several between dots.
func isName(s string, dots bool) bool {
	if s == "" || !alphanumeric(s[0]) || !alphanumeric(s[len(s)-1]) {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case alphanumeric(c), c == '-':
		case c == '.' && dots && s[i-1] != '.':
		default:
			return false
		}
	}
	return true
}

func alphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
}
