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

package ir

// ClusterTLS is how the connections to a cluster's endpoints are secured. But for Mode and SNI, what it has is for SimpleTLS and MutualTLS.
type ClusterTLS struct {
	Mode TLSMode
	// SNI is what the endpoints are asked for. Where it is empty, requests of HTTP ask for their host, and nothing else asks for any; with
	// IstioMutual it is then up to the proxy what it asks for.
	SNI string
	// SubjectAltNames are those of which an endpoint's certificate must have one; any will do when there are none.
	SubjectAltNames []string
	// VerifyHost says that the certificate must have the host of the request, too.
	VerifyHost bool
	// CACertificates is a file of the proxy with the authorities to trust, and CA has them itself, in PEM; where both are empty, those of the system
	// are trusted.
	CACertificates string
	CA             []byte
	// CACRL is a file of the proxy with lists of revoked certificates; empty for none.
	CACRL string
	// ClientCertificate and PrivateKey are files of the proxy for MutualTLS.
	ClientCertificate, PrivateKey string
	// Credential is the certificate in their place, and CredentialName what it is called; nil for none.
	Credential     *Certificate
	CredentialName string
	// SkipVerify takes whatever certificate an endpoint shows.
	SkipVerify bool
}

// TLSMode is the mode of a DestinationRule's tls.
type TLSMode int

const (
	// IstioMutual shows the workload's own certificate, and takes those of the mesh for whom Endpoint.Peer names.
	IstioMutual TLSMode = iota
	// SimpleTLS shows no certificate.
	SimpleTLS
	// MutualTLS shows one from a file.
	MutualTLS
)

// PeerTLS is what clients of the workload must speak.
type PeerTLS struct {
	Mode PeerTLSMode
	// TrustDomains are those whose workloads are let in, sorted.
	TrustDomains []string
}

// PeerTLSMode is the mode of a PeerAuthentication.
type PeerTLSMode int

const (
	// PeerDisable is plain text. TLS is passed on as the application's own.
	PeerDisable PeerTLSMode = iota
	// PeerPermissive is plain text or mutual TLS.
	PeerPermissive
	// PeerStrict is mutual TLS only.
	PeerStrict
)
