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
	"bytes"
	"slices"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/pkg/model/credentials"
	"istio.io/istio/pilot/pkg/networking/util"
	"istio.io/istio/pilot/pkg/serviceregistry/provider"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// originate takes over the modes SIMPLE and MUTUAL (constructUpstreamTLS, setAutoSniAndAutoSanValidation).
func (b *clusterBuilder) originate(t *networking.ClientTLSSettings, src ir.Source) {
	out := &ir.ClusterTLS{Mode: ir.SimpleTLS, SNI: t.Sni, SkipVerify: t.GetInsecureSkipVerify().GetValue()}
	if t.Mode == networking.ClientTLSSettings_MUTUAL {
		out.Mode = ir.MutualTLS
	}
	if !out.SkipVerify {
		out.VerifyHost = t.Sni == "" && len(t.SubjectAltNames) == 0
		out.SubjectAltNames = t.SubjectAltNames
		if len(t.SubjectAltNames) == 0 && b.inputs.service.Attributes.ServiceRegistry == provider.External {
			out.SubjectAltNames = b.inputs.accounts
		}
	}
	switch {
	case t.CredentialName != "":
		if !b.credential(out, t, src) {
			return
		}
	case out.Mode == ir.MutualTLS && (t.ClientCertificate == "" || t.PrivateKey == ""):
		b.diagnose(fidelity.TLSOriginationRefused, src.At("clientCertificate"), "")
		return
	default:
		if out.Mode == ir.MutualTLS {
			out.ClientCertificate, out.PrivateKey = t.ClientCertificate, t.PrivateKey
		}
		if !out.SkipVerify {
			out.CACertificates, out.CACRL = systemOrFile(t.CaCertificates), t.CaCrl
		}
	}
	b.cluster.TLS = out
}

// systemOrFile is empty for the authorities of the system, as Istio also calls them.
func systemOrFile(path string) string {
	if path == "system" {
		return ""
	}
	return path
}

// credential takes the certificates from a Secret. It is false when it cannot.
func (b *clusterBuilder) credential(out *ir.ClusterTLS, t *networking.ClientTLSSettings, src ir.Source) bool {
	src = src.At("credentialName")
	c := b.inputs.credential
	if c == nil {
		b.diagnose(fidelity.CredentialForSidecars, src, "%q", t.CredentialName)
		return false
	}
	switch {
	case c.own.Unreadable != "":
		b.diagnose(fidelity.DestinationCredentialRefused, src, "%q: %s", t.CredentialName, c.own.Unreadable)
		return false
	case out.Mode == ir.MutualTLS && len(c.own.Key) == 0:
		b.diagnose(fidelity.DestinationCredentialRefused, src, "%q: there is no such Secret with tls.crt and tls.key that the gateway may have: create it "+
			"in the namespace of the gateway, whose service account must be allowed to list Secrets", t.CredentialName)
		return false
	case !out.SkipVerify && len(c.ca.CA) == 0:
		b.diagnose(fidelity.DestinationCredentialRefused, src, "%q: there is no ca.crt that the gateway may have in the Secret itself, or in one with "+
			"%s behind the name", t.CredentialName, credentials.SdsCaSuffix)
		return false
	case !out.SkipVerify && c.ca.CRL:
		b.diagnose(fidelity.DestinationCredentialRefused, src, "%q has a ca.crl, which would not be looked at: name files of the gateway in "+
			"caCertificates and caCrl", t.CredentialName)
		return false
	}
	if out.Mode == ir.MutualTLS {
		if err := validCertificate(&c.own.Certificate); err != nil {
			// The error names what is wrong with the form, and nothing of the content.
			b.diagnose(fidelity.DestinationCredentialRefused, src, "%q: certificate and key are no pair in PEM: %v", t.CredentialName, err)
			return false
		}
		out.Credential, out.CredentialName = &c.own.Certificate, t.CredentialName
	}
	if !out.SkipVerify {
		out.CA = c.ca.CA
	}
	return true
}

// clientCredential is what a credentialName stands for.
type clientCredential struct {
	// own has the certificate to show, ca the authorities to trust.
	own, ca Credential
}

func (c *clientCredential) equal(o *clientCredential) bool {
	if c == nil || o == nil {
		return c == o
	}
	return equalCredential(&c.own, &o.own) && equalCredential(&c.ca, &o.ca)
}

func equalCredential(a, b *Credential) bool {
	return bytes.Equal(a.Chain, b.Chain) && bytes.Equal(a.Key, b.Key) && bytes.Equal(a.CA, b.CA) && a.CRL == b.CRL && a.Unreadable == b.Unreadable
}

// clientCredential reads what the rule of a gateway's cluster names. It is nil where there is nothing to read: only a gateway has Secrets.
func (b *builder) clientCredential(c *clusterInputs) *clientCredential {
	if b.in.Proxy.Type != model.Router || b.in.Credentials == nil || c.rule.GetRule() == nil {
		return nil
	}
	port, _ := c.service.Ports.GetByPort(c.key.port)
	t := util.MergeSubsetTrafficPolicy(ruleSpec(c.rule).GetTrafficPolicy(), findSubset(c.rule, c.key.subset).GetTrafficPolicy(), port).GetTls()
	if t.GetCredentialName() == "" {
		return nil
	}
	own := credentials.ToResourceName(t.CredentialName)
	ca := credentials.ToResourceName(t.CredentialName + credentials.SdsCaSuffix)
	found := b.in.Credentials.Get(b.in.Proxy, b.in.Push, []string{own, ca})
	return &clientCredential{own: found[own], ca: found[ca]}
}

// DestinationCredentials are the credentialNames in the DestinationRules that a gateway sees, sorted.
func DestinationCredentials(proxy *model.Proxy) []string {
	if proxy.SidecarScope == nil {
		return nil
	}
	var out []string
	add := func(p *networking.TrafficPolicy) {
		if n := p.GetTls().GetCredentialName(); n != "" {
			out = append(out, n)
		}
		for _, level := range p.GetPortLevelSettings() {
			if n := level.GetTls().GetCredentialName(); n != "" {
				out = append(out, n)
			}
		}
	}
	for _, svc := range proxy.SidecarScope.Services() {
		rule := ruleSpec(proxy.SidecarScope.DestinationRule(model.TrafficDirectionOutbound, proxy, svc.Hostname))
		add(rule.GetTrafficPolicy())
		for _, s := range rule.GetSubsets() {
			add(s.GetTrafficPolicy())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
