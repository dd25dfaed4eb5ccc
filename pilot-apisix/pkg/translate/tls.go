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

package translate

import (
	"slices"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// upstreamTLS secures the connections of u, which has the nodes of c already. One name is mostly that of all nodes.
func upstreamTLS(u *apisix.Upstream, c *ir.Cluster) {
	u.TLS = &apisix.MeshTLS{Mode: apisix.IstioMutual}
	if len(c.Endpoints) == 0 {
		return
	}
	first := c.Endpoints[0].Peer
	if !slices.ContainsFunc(c.Endpoints, func(e ir.Endpoint) bool { return e.Peer != first }) {
		u.TLS.Peer = first
		return
	}
	// Nodes are in the order of the endpoints, of which those are left out that are none for APISIX.
	i := 0
	for j := range c.Endpoints {
		if e := &c.Endpoints[j]; i < len(u.Nodes) && e.Address == u.Nodes[i].Host && e.Port == u.Nodes[i].Port {
			u.Nodes[i].Metadata.Peer = e.Peer
			i++
		}
	}
}

// meshPeer lets clients in; nil where anybody may come.
func meshPeer(p ir.PeerTLS) apisix.Plugin {
	switch p.Mode {
	case ir.PeerPermissive:
		return &apisix.MeshPeer{Mode: apisix.Permissive, TrustDomains: p.TrustDomains}
	case ir.PeerStrict:
		return &apisix.MeshPeer{Mode: apisix.Strict, TrustDomains: p.TrustDomains}
	}
	return nil
}
