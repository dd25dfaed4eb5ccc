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

package differential

import (
	"fmt"
	"math/rand/v2"
	"strings"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// envoyTLS is the TLS of a cluster; empty for none, and for that of the mesh, about which endpoints decide.
func envoyTLS(c *clusterv3.Cluster, options *httpv3.HttpProtocolOptions) string {
	var t tlsv3.UpstreamTlsContext
	if c.GetTransportSocket().GetTypedConfig() == nil || c.GetTransportSocket().GetTypedConfig().UnmarshalTo(&t) != nil {
		return ""
	}
	out := tlsText{sni: t.Sni}
	if list := t.GetCommonTlsContext().GetTlsCertificateSdsSecretConfigs(); len(list) > 0 {
		if out.cert = list[0].Name; out.cert == "default" {
			return mutualText(t.Sni)
		}
	}
	if v := t.GetCommonTlsContext().GetCombinedValidationContext(); v != nil {
		out.roots = v.GetValidationContextSdsSecretConfig().GetName() + " " + v.GetDefaultValidationContext().GetCrl().GetFilename()
		//nolint:staticcheck // what Istio sets
		for _, m := range v.GetDefaultValidationContext().GetMatchSubjectAltNames() {
			out.names = append(out.names, m.GetExact())
		}
	}
	out.host = options.GetUpstreamHttpProtocolOptions().GetAutoSanValidation()
	if auto := options.GetUpstreamHttpProtocolOptions().GetAutoSni(); auto != (t.Sni == "") {
		return fmt.Sprintf(", TLS that asks for %q, and whose auto_sni is %t", t.Sni, auto)
	}
	return out.String()
}

// mutualText is TLS of the mesh; empty unless it asks for a name that Istio has not made up.
func mutualText(sni string) string {
	if sni == "" || strings.HasPrefix(sni, "outbound_.") {
		return ""
	}
	return fmt.Sprintf(", TLS of the mesh that asks for %q", sni)
}

// meshTLS is discovery_args.mesh_tls of an upstream.
type meshTLS struct {
	Mode               string
	SNI                string
	SubjectAltNames    []string `json:"subject_alt_names"`
	VerifyHost         bool     `json:"verify_host"`
	CACertificates     string   `json:"ca_certificates"`
	CACRL              string   `json:"ca_crl"`
	ClientCertificate  string   `json:"client_certificate"`
	PrivateKey         string   `json:"private_key"`
	InsecureSkipVerify bool     `json:"insecure_skip_verify"`
}

// text is what envoyTLS says of a cluster that means the same.
func (t *meshTLS) text() string {
	if t == nil {
		return ""
	}
	if t.Mode == apisix.IstioMutual {
		return mutualText(t.SNI)
	}
	out := tlsText{sni: t.SNI, names: t.SubjectAltNames, host: t.VerifyHost}
	if t.Mode == apisix.MutualTLS {
		out.cert = "file-cert:" + t.ClientCertificate + "~" + t.PrivateKey
	}
	if !t.InsecureSkipVerify {
		roots := t.CACertificates
		if roots == "" {
			roots = "system"
		}
		out.roots = "file-root:" + roots + " " + t.CACRL
	}
	return out.String()
}

type tlsText struct {
	sni, cert, roots string
	names            []string
	host             bool
}

func (t tlsText) String() string {
	return fmt.Sprintf(", TLS that asks for %q, shows %q, trusts %q, wants one of %q, and the host: %t", t.sni, t.cert, t.roots, strings.Join(t.names, " "), t.host)
}

// clientTLS is the tls of a DestinationRule. What it has beside its mode comes from a sequence of its own.
func (r *random) clientTLS() *networking.ClientTLSSettings {
	out := &networking.ClientTLSSettings{Mode: pick(r, []networking.ClientTLSSettings_TLSmode{
		networking.ClientTLSSettings_DISABLE, networking.ClientTLSSettings_SIMPLE, networking.ClientTLSSettings_ISTIO_MUTUAL,
	})}
	if out.Mode == networking.ClientTLSSettings_DISABLE {
		return out
	}
	own := &random{Rand: rand.New(rand.NewPCG(uint64(r.names), uint64(len(r.hosts))))}
	if out.Mode == networking.ClientTLSSettings_ISTIO_MUTUAL {
		if own.maybe(2) {
			out.Sni = pick(own, []string{"a.test", "b.test"})
		}
		return out
	}
	if own.maybe(3) {
		out.Mode = networking.ClientTLSSettings_MUTUAL
		out.ClientCertificate, out.PrivateKey = "/certs/cert.pem", "/certs/key.pem"
	}
	if own.maybe(2) {
		out.Sni = pick(own, []string{"a.test", "b.test"})
	}
	if own.maybe(4) {
		out.InsecureSkipVerify = wrapperspb.Bool(true)
		return out
	}
	if own.maybe(2) {
		out.SubjectAltNames = pick(own, [][]string{{"a.test"}, {"spiffe://a/b", "b.test"}})
	}
	out.CaCertificates = pick(own, []string{"", "", "system", "/certs/ca.pem"})
	if own.maybe(4) {
		out.CaCrl = "/certs/crl.pem"
	}
	return out
}
