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

package fidelity

import "github.com/apisix-mesh/pilot-apisix/pkg/ir"

// The entries for Gateway, of Istio's API and of the Gateway API. What would let in whom it must not is refused: TLS is not
// answered for the server, and its routes take nothing.
var (
	GatewayUnixBind = entry(ir.NotCarried, "GatewayUnixBind", "Gateway", "spec.servers[].bind",
		"unix domain sockets are not opened")
	GatewayBinds = entry(ir.Refused, "GatewayBinds", "Gateway", "spec.servers[].bind",
		"a port is opened at one address or at all of them, for the first server that wants it; servers with another bind get nothing")
	GatewayMixedPort = entry(ir.Refused, "GatewayMixedPort", "Gateway", "spec.servers[].port.protocol={HTTPS,TLS}",
		"the servers of a port either take HTTP over TLS that the gateway terminates, or TCP over such TLS, or TLS as it is; one that "+
			"differs from the first gets nothing: give it a port of its own")
	HTTP3NotCarried = entry(ir.NotCarried, "HTTP3NotCarried", "Gateway", "spec.servers[].port.protocol=HTTPS",
		"where istiod has PILOT_ENABLE_QUIC_LISTENERS, HTTP/3 is not served, and not advertised")
	WildcardServerName = entry(ir.Approximated, "WildcardServerName", "Gateway", "spec.servers[].hosts[]",
		"the TLS handshake fails for server names with more than one label in the place of the star, which no certificate is for")
	ServerNameConflict = entry(ir.Refused, "ServerNameConflict", "Gateway", "spec.servers[].hosts[]",
		"APISIX chooses a certificate by the server name alone; a server whose names meet those of a server of another port with other TLS "+
			"settings gets nothing")
	DuplicateServerName = entry(ir.NotCarried, "DuplicateServerName", "Gateway", "spec.servers[].tls.mode=PASSTHROUGH",
		"a server name belongs to the first rule that has it, and the others are without effect, as on Envoy")
	AutoPassthroughRefused = entry(ir.Refused, "AutoPassthroughRefused", "Gateway", "spec.servers[].tls.mode=AUTO_PASSTHROUGH",
		"connections are not forwarded, because nothing makes sure that they are mutual TLS of the mesh")
	BuiltinCredentialRefused = entry(ir.Refused, "BuiltinCredentialRefused", "Gateway", "spec.servers[].tls.{credentialName,credentialNames[]}=builtin://",
		"TLS is not answered with the certificate of the workload itself to clients that show none")
	MutualHost = entry(ir.Approximated, "MutualHost", "Gateway", "spec.servers[].tls.mode=MUTUAL",
		"a request whose host is not the server name of its connection is answered with 400")
	OptionalMutual = entry(ir.Approximated, "OptionalMutual", "Gateway", "spec.servers[].tls.mode=OPTIONAL_MUTUAL",
		"a client whose certificate is not valid is let in like one without, and a request whose host is not the server name of its "+
			"connection is answered with 400")
	OptionalMutualTCP = entry(ir.Approximated, "OptionalMutualTCP", "Gateway", "spec.servers[].tls.mode=OPTIONAL_MUTUAL",
		"clients without a certificate are refused where what is in TLS is not HTTP")
	ClientCertNotForwarded = entry(ir.NotCarried, "ClientCertNotForwarded", "Gateway", "spec.servers[].tls.mode={MUTUAL,OPTIONAL_MUTUAL,ISTIO_MUTUAL}",
		"x-forwarded-client-cert is taken out of requests, and does not tell services of the client's certificate")
	CertificateFilesRefused = entry(ir.Refused, "CertificateFilesRefused", "Gateway",
		"spec.servers[].tls.{serverCertificate,privateKey,caCertificates,tlsCertificates[].**}",
		"TLS is not answered with certificates in files of the gateway, which the control plane cannot read")
	CredentialRefused = entry(ir.Refused, "CredentialRefused", "Gateway", "spec.servers[].tls.{credentialName,credentialNames[],caCertCredentialName}",
		"TLS is not answered for the server without its certificate, and without the CA of its clients where it asks for theirs")
	ClientSANRefused = entry(ir.Refused, "ClientSANRefused", "Gateway", "spec.servers[].tls.subjectAltNames[]",
		"TLS is not answered, because the names in a client's certificate are not compared")
	ClientPinRefused = entry(ir.Refused, "ClientPinRefused", "Gateway", "spec.servers[].tls.{verifyCertificateSpki[],verifyCertificateHash[]}",
		"TLS is not answered, because a client's certificate is only compared with its CA")
	ClientCRLRefused = entry(ir.Refused, "ClientCRLRefused", "Gateway", "spec.servers[].tls.credentialName",
		"TLS is not answered where the CA of clients has a list of revoked certificates, which would be let in")
	ClientVerifiedNevertheless = entry(ir.Approximated, "ClientVerifiedNevertheless", "Gateway", "spec.servers[].tls.insecureSkipVerify",
		"a client's certificate is verified nevertheless")
	CipherSuitesNotCarried = entry(ir.NotCarried, "CipherSuitesNotCarried", "Gateway", "spec.servers[].tls.cipherSuites[]",
		"all servers have the cipher suites of APISIX's configuration")
	TLS10NotCarried = entry(ir.Approximated, "TLS10NotCarried", "Gateway", "spec.servers[].tls.{minProtocolVersion,maxProtocolVersion}=TLSV1_0",
		"TLS 1.1 is the oldest version that is taken")
	TLSVersionsRefused = entry(ir.Refused, "TLSVersionsRefused", "Gateway", "spec.servers[].tls.maxProtocolVersion={TLSV1_0,TLSV1_1,TLSV1_2}",
		"TLS is not answered where no version from 1.1 on is within the limits")

	TrustedProxiesNotCarried = entry(ir.Approximated, "TrustedProxiesNotCarried", "MeshConfig", "defaultConfig.gatewayTopology.numTrustedProxies",
		"the client of a request is who made the connection, whatever proxies stand in front of the gateway")
	ProxyProtocolNotCarried = entry(ir.NotCarried, "ProxyProtocolNotCarried", "MeshConfig", "defaultConfig.gatewayTopology.**",
		"where proxyProtocol is set: connections that begin with the PROXY protocol fail")
	ClientCertDetails = entry(ir.NotCarried, "ClientCertDetails", "MeshConfig", "defaultConfig.gatewayTopology.forwardClientCertDetails=*",
		"x-forwarded-client-cert is always taken out of requests")
)

var gateway = Object{
	API: "Gateway",
	Note: "Istio turns the Gateway, HTTPRoute, TLSRoute and TCPRoute of the Gateway API into these. " +
		"A refused server opens its port, but its TLS is not answered and its routes take nothing.",
	Rows: []Row{
		exact("spec.servers[].port.{number,protocol,name}", "the port that is listened on is found as Istio finds it, through the gateway's Service"),
		told(GatewayMixedPort),
		told(HTTP3NotCarried),
		exact("spec.servers[].port.targetPort", "has no effect, as on Envoy"),
		exact("spec.servers[].bind", ""),
		told(GatewayUnixBind),
		told(GatewayBinds),
		exact("spec.servers[].hosts[]", "a client that asks a port for a server name which only another port has is answered with that one's certificate, "+
			"and each of its requests with 404, where Envoy closes the connection"),
		told(WildcardServerName),
		told(ServerNameConflict),
		exact("spec.servers[].tls.httpsRedirect", "a port 80 in the Host header is left out of the location, and kept by Envoy"),
		exact("spec.servers[].tls.mode={PASSTHROUGH,SIMPLE,MUTUAL,ISTIO_MUTUAL}", ""),
		told(DuplicateServerName),
		told(MutualHost),
		told(AutoPassthroughRefused),
		told(OptionalMutual),
		told(OptionalMutualTCP),
		told(ClientCertNotForwarded),
		told(CertificateFilesRefused),
		toldAt("spec.servers[].tls.caCrl", CertificateFilesRefused),
		exact("spec.servers[].tls.{credentialName,credentialNames[],caCertCredentialName}", "through the same checks as SDS"),
		told(CredentialRefused),
		told(BuiltinCredentialRefused),
		told(ClientCRLRefused),
		told(ClientSANRefused),
		told(ClientPinRefused),
		exact("spec.servers[].tls.minProtocolVersion={TLS_AUTO,TLSV1_1,TLSV1_2,TLSV1_3}", ""),
		told(TLS10NotCarried),
		exact("spec.servers[].tls.maxProtocolVersion={TLS_AUTO,TLSV1_1,TLSV1_2,TLSV1_3}", ""),
		told(TLSVersionsRefused),
		told(CipherSuitesNotCarried),
		told(ClientVerifiedNevertheless),
		exact("spec.servers[].{defaultEndpoint,name}", "have no effect, as on Envoy"),
		exact("spec.selector.*", ""),
	},
}
