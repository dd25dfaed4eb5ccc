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
	"net/http"
	"slices"

	meshconfig "istio.io/api/mesh/v1alpha1"
	"istio.io/istio/pilot/pkg/model"
	authnplugin "istio.io/istio/pilot/pkg/networking/plugin/authn"
	"istio.io/istio/pilot/pkg/security/authn"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// denied is what Envoy says to a request that no policy allows.
var denied = &ir.DirectResponse{Status: http.StatusForbidden, Body: []byte("RBAC: access denied")}

// inboundPolicies are the rules of who may reach the workload. What the proxy cannot enforce yet lets nobody in.
type inboundPolicies struct {
	// all refuses every port.
	all bool
	// peers says where mutual TLS is asked for.
	peers authn.MergedPeerAuthentication
	// trustDomains are those of the mesh.
	trustDomains []string
	// http and tcp are who may send requests and make connections; nil for anybody.
	http, tcp *ir.Authorization
}

// peerTLS is what the clients of a port speak.
func (p *inboundPolicies) peerTLS(port int) ir.PeerTLS {
	mode, own := p.peers.PerPort[uint32(port)]
	if !own {
		mode = p.peers.Mode
	}
	switch mode {
	case model.MTLSDisable:
		return ir.PeerTLS{}
	case model.MTLSPermissive:
		return ir.PeerTLS{Mode: ir.PeerPermissive, TrustDomains: p.trustDomains}
	}
	return ir.PeerTLS{Mode: ir.PeerStrict, TrustDomains: p.trustDomains}
}

// undeclared are the ports that a PeerAuthentication names, and no service or listener declares.
func (p *inboundPolicies) undeclared(ports []*inboundPort) []int {
	var out []int
	for port := range p.peers.PerPort {
		if n := int(port); validPort(n) && !slices.ContainsFunc(ports, func(o *inboundPort) bool { return o.port == n }) {
			out = append(out, n)
		}
	}
	return out
}

func (b *builder) inboundPolicies() *inboundPolicies {
	out := &inboundPolicies{trustDomains: trustDomains(b.in.Push.Mesh)}
	matcher := model.PolicyMatcherForProxy(b.in.Proxy)
	refuse := func(e *fidelity.Entry, kind, namespace, name string) {
		out.all = true
		b.diagnose(e.At(ir.Source{Kind: kind, Namespace: namespace, Name: name}.At("spec"), ""))
	}
	if policies := b.in.Push.AuthzPolicies; policies != nil {
		found := policies.ListAuthorizationPolicies(matcher.WithRootNamespace(policies.RootNamespace))
		for i := range found.Custom {
			refuse(fidelity.AuthorizationPolicyRefused, "AuthorizationPolicy", found.Custom[i].Namespace, found.Custom[i].Name)
		}
		out.http, out.tcp = b.authorization(&found, false), b.authorization(&found, true)
	}
	if policies := b.in.Push.AuthnPolicies; policies != nil {
		matcher := matcher.WithRootNamespace(policies.GetRootNamespace())
		for _, c := range policies.GetJwtPoliciesForWorkload(matcher) {
			refuse(fidelity.RequestAuthenticationRefused, "RequestAuthentication", c.Namespace, c.Name)
		}
		out.peers = authn.ComposePeerAuthentication(policies.GetRootNamespace(), policies.GetPeerAuthenticationsForWorkload(matcher))
	}
	return out
}

// httpFor are who may send requests to a port.
func (p *inboundPolicies) httpFor(port *inboundPort) *ir.Authorization {
	if p.http == nil || !port.protocol.IsHTTP2() {
		return p.http
	}
	out := *p.http
	out.HTTP2 = true
	return &out
}

// trustDomains are those whose workloads belong to the mesh; none stands for all.
func trustDomains(mesh *meshconfig.MeshConfig) []string {
	out := slices.Clone(authnplugin.TrustDomainsForValidation(mesh))
	slices.Sort(out)
	return slices.Compact(out)
}
