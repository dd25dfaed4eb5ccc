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
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"istio.io/istio/security/pkg/util"
)

// Explain adds to an error of istiod what this side knows about its cause; "" when it knows nothing. It never contains
// the token.
func (m *Manager) Explain(err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	switch {
	case m.cfg.XDS.Plaintext:
		if strings.Contains(text, "server preface") {
			return fmt.Sprintf("%s may want TLS, and this agent was told not to use it (%s)", m.cfg.XDS.Address, m.cfg.XDS.PlaintextReason)
		}
		return ""
	case strings.Contains(text, "first record does not look like a TLS handshake"):
		return fmt.Sprintf("%s speaks no TLS: use istiod's port 15012", m.cfg.XDS.Address)
	case strings.Contains(text, "x509: "):
		root, rootErr := m.xdsRoot()
		if rootErr != nil {
			return rootErr.Error()
		}
		if root == "" {
			root = "the system's roots"
		}
		return fmt.Sprintf("istiod's certificate must be valid for %s and chain to %s; ISTIOD_SAN and XDS_ROOT_CA change them",
			serverName(m.cfg.XDS.Address, m.cfg.XDS.SAN), root)
	case status.Code(err) == codes.Unauthenticated:
		return m.explainToken()
	default:
		return ""
	}
}

func (m *Manager) explainToken() string {
	file := m.cfg.TokenPath
	b, err := os.ReadFile(file)
	token := strings.TrimSpace(string(b))
	switch {
	case err != nil:
		return fmt.Sprintf("no bearer token was sent: %v", err)
	case token == "":
		return fmt.Sprintf("no bearer token was sent: %s is empty", file)
	}
	expires, err := util.GetExp(token)
	switch {
	case err != nil:
		return fmt.Sprintf("the bearer token in %s is not a JWT", file)
	case !expires.IsZero() && time.Now().After(expires):
		return fmt.Sprintf("the bearer token in %s expired at %s", file, expires.UTC().Format(time.RFC3339))
	default:
		return fmt.Sprintf("the bearer token in %s must be issued for istiod's audience (istio-ca), by the issuer of its cluster", file)
	}
}
