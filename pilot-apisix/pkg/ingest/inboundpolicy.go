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
	"maps"
	"net/http"
	"slices"

	"istio.io/api/security/v1beta1"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/pkg/security/authn"
	"istio.io/istio/pkg/config"

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
}

func (p *inboundPolicies) refuses(port int) bool {
	mode, own := p.peers.PerPort[uint32(port)]
	if !own {
		mode = p.peers.Mode
	}
	return p.all || mode == model.MTLSStrict
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
	out := &inboundPolicies{}
	matcher := model.PolicyMatcherForProxy(b.in.Proxy)
	refuse := func(e *fidelity.Entry, kind, namespace, name string) {
		out.all = true
		b.diagnose(e.At(ir.Source{Kind: kind, Namespace: namespace, Name: name}.At("spec"), ""))
	}
	if policies := b.in.Push.AuthzPolicies; policies != nil {
		found := policies.ListAuthorizationPolicies(matcher.WithRootNamespace(policies.RootNamespace))
		for _, list := range [][]model.AuthorizationPolicy{found.Custom, found.Deny, found.Allow} {
			for i := range list {
				refuse(fidelity.AuthorizationPolicyRefused, "AuthorizationPolicy", list[i].Namespace, list[i].Name)
			}
		}
	}
	if policies := b.in.Push.AuthnPolicies; policies != nil {
		matcher := matcher.WithRootNamespace(policies.GetRootNamespace())
		for _, c := range policies.GetJwtPoliciesForWorkload(matcher) {
			refuse(fidelity.RequestAuthenticationRefused, "RequestAuthentication", c.Namespace, c.Name)
		}
		peers := policies.GetPeerAuthenticationsForWorkload(matcher)
		out.peers = authn.ComposePeerAuthentication(policies.GetRootNamespace(), peers)
		b.mutualTLS(out.peers, peers)
	}
	return out
}

// mutualTLS tells of the modes of peer authentication that differ from plain text.
func (b *builder) mutualTLS(merged authn.MergedPeerAuthentication, peers []*config.Config) {
	modes := append(slices.Collect(maps.Values(merged.PerPort)), merged.Mode)
	// Without any, the mode of a mesh is PERMISSIVE.
	src := ir.Source{Kind: "MeshConfig", Name: "istio"}
	if c := decidingPeerAuthentication(peers); c != nil {
		src = ir.Source{Kind: "PeerAuthentication", Namespace: c.Namespace, Name: c.Name}.At("spec.mtls.mode")
	}
	if slices.Contains(modes, model.MTLSStrict) {
		b.diagnose(fidelity.StrictMTLSRefused.At(src, ""))
	}
	if slices.Contains(modes, model.MTLSPermissive) {
		b.diagnose(fidelity.PermissiveMTLS.At(src, ""))
	}
}

// decidingPeerAuthentication is the one of the narrowest scope: of a workload, of its namespace, or of the mesh.
func decidingPeerAuthentication(list []*config.Config) *config.Config {
	for _, c := range list {
		if c.Spec.(*v1beta1.PeerAuthentication).GetSelector() != nil {
			return c
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list[0]
}
