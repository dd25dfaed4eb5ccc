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

package ingest

import (
	"slices"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/model"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/identity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// serviceIdentity adds what decides whether a service is reached over mutual TLS, and who may be there.
func (b *builder) serviceIdentity(c *clusterInputs) {
	policy := ruleSpec(c.rule).GetTrafficPolicy()
	if c.key.subset != "" {
		policy = findSubset(c.rule, c.key.subset).GetTrafficPolicy()
	}
	port, _ := c.service.Ports.GetByPort(c.key.port)
	c.mtls = b.in.Push.BestEffortInferServiceMTLSMode(b.scope.AuthnPolicies, policy, c.service, port)
	c.accounts = b.in.Push.ServiceAccounts(c.service.Hostname, c.service.Attributes.Namespace)
}

// clientTLS takes over what a DestinationRule says of TLS.
func (b *clusterBuilder) clientTLS(t *networking.ClientTLSSettings, src ir.Source) {
	switch t.Mode {
	case networking.ClientTLSSettings_DISABLE:
		return
	case networking.ClientTLSSettings_ISTIO_MUTUAL:
		b.cluster.TLS = &ir.ClusterTLS{Mode: ir.IstioMutual, SNI: t.Sni}
		return
	}
	b.originate(t, src)
}

// upstreamTLS decides on mutual TLS where no DestinationRule does (buildUpstreamTLSSettings).
func (b *clusterBuilder) upstreamTLS() {
	c := b.inputs
	if b.tls != nil || c.service.MeshExternal || !c.mesh.GetEnableAutoMtls().GetValue() || c.mtls == model.MTLSUnknown || c.mtls == model.MTLSDisable {
		return
	}
	b.cluster.TLS = &ir.ClusterTLS{Mode: ir.IstioMutual}
	// Envoy decides for each endpoint, except where the client chooses it.
	b.auto = !b.cluster.OriginalDst
}

// secure says who each endpoint must prove to be, and which have no sidecar to prove it.
func (f *endpointFilter) secure() {
	c := f.cluster
	if c.TLS == nil || c.TLS.Mode != ir.IstioMutual {
		return
	}
	mutual := func(ep *model.IstioEndpoint) bool { return ep.TLSMode == model.IstioMutualTLSModeLabel }
	if f.auto && !slices.ContainsFunc(f.originals, mutual) {
		c.TLS = nil
		return
	}
	kept, originals := c.Endpoints[:0], f.originals[:0]
	plain, unknown, remote := 0, 0, 0
	for i, ep := range f.originals {
		e := c.Endpoints[i]
		if f.auto && !mutual(ep) {
			plain++
			e.PlainText = true
		} else if e.Peer = f.peer(ep); e.Peer == "" {
			if ep.Network != "" && f.isRemote(ep) {
				remote++
			} else {
				unknown++
			}
			continue
		}
		kept, originals = append(kept, e), append(originals, ep)
	}
	c.Endpoints, f.originals = kept, originals
	src := serviceSource(f.inputs.service)
	if plain > 0 {
		f.diagnose(fidelity.MixedMutualTLS, src, "%d of %d", plain, unknown+len(kept))
	}
	if remote > 0 {
		f.diagnose(fidelity.RemoteAccounts, src, "")
	}
	if unknown > 0 {
		f.diagnose(fidelity.PeerUnknown, src, "%d of %d", unknown, unknown+len(kept))
	}
}

// peer is the name that an endpoint must prove, or empty when nobody knows whom to expect there. Envoy takes any of the service's
// identities for every endpoint.
func (f *endpointFilter) peer(ep *model.IstioEndpoint) string {
	accounts := f.inputs.accounts
	if f.tls != nil && f.tls.SubjectAltNames != nil {
		accounts = f.tls.SubjectAltNames
	}
	id := ep.ServiceAccount
	if id == "" || f.tls != nil && f.tls.SubjectAltNames != nil && !slices.Contains(accounts, id) {
		// One for all, or one that the endpoint will fail to prove.
		if len(accounts) == 0 {
			return ""
		}
		if id == "" && len(accounts) > 1 {
			return ""
		}
		id = accounts[0]
	}
	name, err := identity.DNSName(id)
	if err != nil {
		return ""
	}
	return name
}
