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

package simulate

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// peer is mesh-peer.
type peer struct {
	nothing
	Mode         string   `json:"mode"`
	TrustDomains []string `json:"trust_domains"`
}

func parsePeer(raw json.RawMessage) (plugin, error) {
	return newPeer(raw)
}

func newPeer(raw json.RawMessage) (*peer, error) {
	p, err := decodeConf[peer](raw)
	if err == nil && p.Mode != apisix.Permissive && p.Mode != apisix.Strict {
		err = fmt.Errorf("no mode %q", p.Mode)
	}
	return &p, err
}

// refuses says why somebody is not let in; empty when he is. An id of "" is plain text.
func (p *peer) refuses(id string) string {
	if id == "" {
		if p.Mode == apisix.Strict {
			return "plain text to a port in STRICT mode"
		}
		return ""
	}
	rest, _ := strings.CutPrefix(id, "spiffe://")
	domain, _, _ := strings.Cut(rest, "/")
	if len(p.TrustDomains) == 0 || slices.Contains(p.TrustDomains, domain) {
		return ""
	}
	return id + " is of no trust domain of the mesh"
}

func (p *peer) rewrite(e *exchange) {
	if why := p.refuses(e.peer); why != "" {
		e.routed = true
		e.why.add("mesh-peer: %s", why)
		e.respond(e.localReply(http.StatusForbidden, "RBAC: access denied", -1))
	}
}
