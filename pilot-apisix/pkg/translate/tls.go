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

// upstreamTLS secures the connections of u, which has the nodes of c already.
func upstreamTLS(u *apisix.Upstream, c *ir.Cluster) {
	if c.TLS.Mode != ir.IstioMutual {
		originate(u, c.TLS)
		return
	}
	u.TLS = &apisix.MeshTLS{Mode: apisix.IstioMutual, SNI: c.TLS.SNI}
	if len(c.Endpoints) == 0 {
		return
	}
	// One name is mostly that of all nodes.
	first := c.Endpoints[0].Peer
	if !slices.ContainsFunc(c.Endpoints, func(e ir.Endpoint) bool { return e.Peer != first || e.PlainText }) {
		u.TLS.Peer = first
		return
	}
	// Nodes are in the order of the endpoints, of which those are left out that are none for APISIX.
	i := 0
	for j := range c.Endpoints {
		if e := &c.Endpoints[j]; isNode(e) {
			u.Nodes[i].Metadata.Peer, u.Nodes[i].Metadata.PlainText = e.Peer, e.PlainText
			u.TLS.Mixed = u.TLS.Mixed || e.PlainText
			i++
		}
	}
}

// originate gives u TLS of its own. A certificate that is not in files is an object apart, of the kind in which keys are not shown.
func originate(u *apisix.Upstream, t *ir.ClusterTLS) {
	u.TLS = &apisix.MeshTLS{
		Mode: apisix.SimpleTLS, SNI: t.SNI, SubjectAltNames: t.SubjectAltNames, VerifyHost: t.VerifyHost,
		CA: string(t.CA), CACertificates: t.CACertificates, CACRL: t.CACRL,
		ClientCertificate: t.ClientCertificate, PrivateKey: t.PrivateKey, InsecureSkipVerify: t.SkipVerify,
	}
	if t.Mode == ir.MutualTLS {
		u.TLS.Mode = apisix.MutualTLS
	}
	if t.Credential != nil {
		u.ClientCertID = clientCertID(t)
	}
}

func clientCertID(t *ir.ClusterTLS) string { return apisix.ID("client", t.CredentialName) }

// clientCertificates are the certificates that clusters show to their endpoints, each once.
func (t *translator) clientCertificates() {
	seen := map[string]struct{}{}
	for _, c := range t.cfg.Clusters {
		if c.TLS == nil || c.TLS.Credential == nil {
			continue
		}
		id := clientCertID(c.TLS)
		if _, dup := seen[id]; dup {
			continue
		}
		seen[id] = struct{}{}
		out := apisix.SSL{ID: id, Type: apisix.SSLClientType, Cert: string(c.TLS.Credential.Chain), Key: string(c.TLS.Credential.Key)}
		t.out.Resources = append(t.out.Resources, t.resource(apisix.SSLs, id, &out, c.Sources))
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
