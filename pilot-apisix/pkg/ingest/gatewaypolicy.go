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
	"strings"

	meshconfig "istio.io/api/mesh/v1alpha1"
	"istio.io/istio/pilot/pkg/model"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// policies says whether there are policies of who may pass the gateway. What is not enforced lets nobody in. Peer
// authentication is not for gateways: their servers say who has to show a certificate.
func (g *gatewayBuilder) policies() bool {
	found := false
	refuse := func(e *fidelity.Entry, kind, namespace, name string) {
		found = true
		g.diagnose(e.At(ir.Source{Kind: kind, Namespace: namespace, Name: name}.At("spec"), ""))
	}
	matcher := model.PolicyMatcherForProxy(g.in.Proxy)
	if policies := g.in.Push.AuthzPolicies; policies != nil {
		all := policies.ListAuthorizationPolicies(matcher.WithRootNamespace(policies.RootNamespace))
		for _, list := range [][]model.AuthorizationPolicy{all.Custom, all.Deny, all.Allow} {
			for i := range list {
				refuse(fidelity.AuthorizationPolicyRefused, "AuthorizationPolicy", list[i].Namespace, list[i].Name)
			}
		}
	}
	if policies := g.in.Push.AuthnPolicies; policies != nil {
		for _, c := range policies.GetJwtPoliciesForWorkload(matcher.WithRootNamespace(policies.GetRootNamespace())) {
			refuse(fidelity.RequestAuthenticationRefused, "RequestAuthentication", c.Namespace, c.Name)
		}
	}
	return found
}

// topology tells of what is known of proxies in front of the gateway.
func (g *gatewayBuilder) topology() {
	t := g.in.Proxy.Metadata.ProxyConfigOrDefault(g.in.Push.Mesh.GetDefaultConfig()).GetGatewayTopology()
	src := ir.Source{Kind: "MeshConfig", Name: "istio"}.At("defaultConfig.gatewayTopology")
	if t.GetNumTrustedProxies() > 0 {
		g.diagnose(fidelity.TrustedProxiesNotCarried.At(src.At("numTrustedProxies"), ""))
	}
	if t.GetProxyProtocol() != nil {
		g.diagnose(fidelity.ProxyProtocolNotCarried.At(src.At("proxyProtocol"), ""))
	}
	switch t.GetForwardClientCertDetails() {
	case meshconfig.ForwardClientCertDetails_UNDEFINED, meshconfig.ForwardClientCertDetails_SANITIZE:
	default:
		g.diagnose(fidelity.ClientCertDetails.At(src.At("forwardClientCertDetails"), ""))
	}
}

// gatewayKey is what a router's configuration is made from beyond what every proxy's is: who it is decides which Secrets it may
// read.
func gatewayKey(proxy *model.Proxy) string {
	if proxy.Type != model.Router {
		return ""
	}
	var b strings.Builder
	b.WriteString(inboundKey(proxy))
	if id := proxy.VerifiedIdentity; id != nil {
		b.WriteString("|" + id.String())
	}
	if proxy.IsUnprivileged() {
		b.WriteString("|unprivileged")
	}
	if c := proxy.Metadata.ProxyConfig; c != nil {
		p := (*meshconfig.ProxyConfig)(c)
		b.WriteString("|" + p.GetGatewayTopology().String() + "|" + p.GetPrivateKeyProvider().String())
	}
	return b.String()
}
