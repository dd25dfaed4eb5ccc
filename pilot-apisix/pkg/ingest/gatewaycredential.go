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
	"cmp"
	"slices"
	"strings"

	meshconfig "istio.io/api/mesh/v1alpha1"
	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/model/credentials"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// tlsSettings are what a server presents and asks for (BuildListenerTLSContext). It is false, and a diagnostic says why, when the
// server would let in whom it must not, or has nothing to present.
func (g *gatewayBuilder) tlsSettings(s *networking.Server) (ir.TLSServer, bool) {
	t := s.Tls
	out := ir.TLSServer{Source: g.source(s)}
	names := certificateNames(t)
	switch {
	case slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, credentials.BuiltinGatewaySecretTypeURI) }):
		g.tell(fidelity.BuiltinCredentialRefused, s, "use the mode ISTIO_MUTUAL")
		return out, false
	case len(names) == 0:
		g.tell(fidelity.CertificateFilesRefused, s, "put the certificate into a Secret and name it in credentialName")
		return out, false
	}
	protocols, ok := g.protocols(s)
	if !ok {
		return out, false
	}
	out.Protocols = protocols
	g.tellOfCiphers(s)
	client := t.Mode == networking.ServerTLSSettings_MUTUAL || t.Mode == networking.ServerTLSSettings_OPTIONAL_MUTUAL
	ca := cmp.Or(t.CaCertCredentialName, names[0]+credentials.SdsCaSuffix)
	if !g.enforceable(s, client) {
		return out, false
	}
	wanted := make([]string, 0, len(names)+1)
	for _, n := range names {
		wanted = append(wanted, credentials.ToResourceName(n))
	}
	if client {
		wanted = append(wanted, credentials.ToResourceName(ca))
	}
	found := map[string]Credential{}
	if g.in.Credentials != nil {
		found = g.in.Credentials.Get(g.in.Proxy, g.in.Push, wanted)
	}
	for _, n := range names {
		c, has := found[credentials.ToResourceName(n)]
		if !g.usable(s, n, c, has && len(c.Key) > 0) {
			return out, false
		}
		out.Certificates = append(out.Certificates, c.Certificate)
	}
	if client {
		out.Client, ok = g.clientCertificate(s, ca, found)
	}
	return out, ok
}

// certificateNames are the credentials that have the server's certificates.
func certificateNames(t *networking.ServerTLSSettings) []string {
	if len(t.CredentialNames) > 0 {
		return t.CredentialNames
	}
	if t.CredentialName != "" {
		return []string{t.CredentialName}
	}
	return nil
}

// enforceable says that all which the server asks of clients is checked.
func (g *gatewayBuilder) enforceable(s *networking.Server, client bool) bool {
	t := s.Tls
	if len(t.SubjectAltNames) > 0 {
		g.tell(fidelity.ClientSANRefused, s, "subjectAltNames %s", strings.Join(t.SubjectAltNames, ", "))
		return false
	}
	if !client {
		return true
	}
	switch {
	case len(t.VerifyCertificateSpki) > 0:
		g.tell(fidelity.ClientPinRefused, s, "verifyCertificateSpki")
		return false
	case len(t.VerifyCertificateHash) > 0:
		g.tell(fidelity.ClientPinRefused, s, "verifyCertificateHash")
		return false
	}
	return true
}

func (g *gatewayBuilder) tellOfCiphers(s *networking.Server) {
	if len(s.Tls.CipherSuites) > 0 {
		g.tell(fidelity.CipherSuitesNotCarried, s, "%s", strings.Join(s.Tls.CipherSuites, ", "))
	}
}

// tellOfMutual tells what is different about a server with mutual TLS of the mesh.
func (g *gatewayBuilder) tellOfMutual(s *networking.Server) {
	g.tellOfCiphers(s)
	if s.Tls.GetInsecureSkipVerify().GetValue() {
		g.tell(fidelity.ClientVerifiedNevertheless, s, "insecureSkipVerify")
	}
	g.tell(fidelity.ClientCertNotForwarded, s, "%s", s.Tls.Mode)
}

// tellOfClients tells what is different about the certificates of clients.
func (g *gatewayBuilder) tellOfClients(s *networking.Server) {
	if s.Tls.GetInsecureSkipVerify().GetValue() {
		g.tell(fidelity.ClientVerifiedNevertheless, s, "insecureSkipVerify")
	}
	if s.Tls.Mode == networking.ServerTLSSettings_OPTIONAL_MUTUAL {
		g.tell(fidelity.OptionalMutual, s, "OPTIONAL_MUTUAL")
	} else {
		g.tell(fidelity.MutualHost, s, "MUTUAL")
	}
	g.tell(fidelity.ClientCertNotForwarded, s, "%s", s.Tls.Mode)
}

// usable says that the Secret of a name can be presented.
func (g *gatewayBuilder) usable(s *networking.Server, name string, c Credential, has bool) bool {
	switch {
	case c.Unreadable != "":
		g.tell(fidelity.CredentialRefused, s, "credentialName %q: %s", name, c.Unreadable)
	case !has:
		g.tell(fidelity.CredentialRefused, s, "credentialName %q: there is no such Secret with tls.crt and tls.key that the gateway may have: "+
			"create it in the namespace of the gateway, whose service account must be allowed to list Secrets, or let a ReferenceGrant allow it", name)
	default:
		err := validCertificate(&c.Certificate)
		if err == nil {
			return true
		}
		// The error names what is wrong with the form, and nothing of the content.
		g.tell(fidelity.CredentialRefused, s, "credentialName %q: certificate and key are no pair in PEM: %v", name, err)
	}
	return false
}

// clientCertificate says which clients are let in.
func (g *gatewayBuilder) clientCertificate(s *networking.Server, name string, found map[string]Credential) (*ir.ClientCertificate, bool) {
	c, has := found[credentials.ToResourceName(name)]
	switch {
	case !has || len(c.CA) == 0:
		g.tell(fidelity.CredentialRefused, s, "credential %q: there is no certificate of a CA, which is ca.crt of the Secret itself or of one with "+
			"that name, and no client could be verified", name)
		return nil, false
	case c.CRL:
		g.tell(fidelity.ClientCRLRefused, s, "credential %q has a ca.crl", name)
		return nil, false
	}
	g.tellOfClients(s)
	return &ir.ClientCertificate{CA: c.CA, Optional: s.Tls.Mode == networking.ServerTLSSettings_OPTIONAL_MUTUAL}, true
}

// sslProtocols are the versions that APISIX has, from the oldest on.
var sslProtocols = []struct {
	version networking.ServerTLSSettings_TLSProtocol
	name    string
}{
	{networking.ServerTLSSettings_TLSV1_1, "TLSv1.1"},
	{networking.ServerTLSSettings_TLSV1_2, "TLSv1.2"},
	{networking.ServerTLSSettings_TLSV1_3, "TLSv1.3"},
}

// protocols are the versions of TLS that a server takes; none for the default, which is Envoy's: 1.2 and 1.3.
func (g *gatewayBuilder) protocols(s *networking.Server) ([]string, bool) {
	least, most := s.Tls.MinProtocolVersion, s.Tls.MaxProtocolVersion
	if least == networking.ServerTLSSettings_TLS_AUTO && g.in.Push.Mesh.GetTlsDefaults().GetMinProtocolVersion() == meshconfig.MeshConfig_TLSConfig_TLSV1_3 {
		least = networking.ServerTLSSettings_TLSV1_3
	}
	if least == networking.ServerTLSSettings_TLS_AUTO && most == networking.ServerTLSSettings_TLS_AUTO {
		return nil, true
	}
	if least == networking.ServerTLSSettings_TLS_AUTO {
		least = networking.ServerTLSSettings_TLSV1_2
	}
	if least == networking.ServerTLSSettings_TLSV1_0 {
		g.tell(fidelity.TLS10NotCarried, s, "minProtocolVersion TLSV1_0")
	}
	var out []string
	for _, p := range sslProtocols {
		if p.version >= least && (most == networking.ServerTLSSettings_TLS_AUTO || p.version <= most) {
			out = append(out, p.name)
		}
	}
	if len(out) == 0 {
		g.tell(fidelity.TLSVersionsRefused, s, "minProtocolVersion %s, maxProtocolVersion %s", s.Tls.MinProtocolVersion, s.Tls.MaxProtocolVersion)
		return nil, false
	}
	return out, true
}
