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

package apisix

// The values of MeshTLS.Mode. With IstioMutual a proxy shows the workload's certificate and takes those of the mesh; with the others TLS is the
// upstream's own.
const (
	IstioMutual = "ISTIO_MUTUAL"
	SimpleTLS   = "SIMPLE"
	MutualTLS   = "MUTUAL"
)

// MeshTLS says how our Lua secures the connections of an upstream of SchemeHTTPS or SchemeGRPCS. The words are those of a
// DestinationRule's tls, and files those of the proxy.
type MeshTLS struct {
	Mode string
	// Peer is the DNS name that every node must prove in the mode IstioMutual, unless NodeMetadata.Peer has one for each.
	Peer string
	// Mixed says that there are nodes with NodeMetadata.PlainText.
	Mixed bool
	// SNI is what nodes are asked for; when empty, the request's host, or in the mode IstioMutual the name that a node must prove.
	SNI string

	// The rest is for the other modes.

	// SubjectAltNames are those of which a certificate must have one, unless there are none, and VerifyHost asks for the request's host, too.
	SubjectAltNames []string
	VerifyHost      bool
	// CA are the authorities to trust, in PEM, and CACertificates a file with them; without either those of the system.
	CA, CACertificates string
	// CACRL is a file with revoked certificates.
	CACRL string
	// ClientCertificate and PrivateKey are files, for MutualTLS. Without them there is Upstream.ClientCertID.
	ClientCertificate, PrivateKey string
	InsecureSkipVerify            bool
}

func (t *MeshTLS) appendJSON(b []byte) []byte {
	o := beginObject(b)
	o.string("ca", t.CA)
	o.string("ca_certificates", t.CACertificates)
	o.string("ca_crl", t.CACRL)
	o.string("client_certificate", t.ClientCertificate)
	o.bool("insecure_skip_verify", t.InsecureSkipVerify)
	o.bool("mixed", t.Mixed)
	o.string("mode", t.Mode)
	o.string("peer", t.Peer)
	o.string("private_key", t.PrivateKey)
	o.string("sni", t.SNI)
	o.strings("subject_alt_names", t.SubjectAltNames)
	o.bool("verify_host", t.VerifyHost)
	return o.end()
}
