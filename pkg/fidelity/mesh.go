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

// The entries for the rest of a proxy's configuration.
var (
	MixedMutualTLS = entry(ir.Approximated, "MixedMutualTLS", "MeshConfig", "enableAutoMtls",
		"of a service some endpoints of which have a sidecar, a request that is tried again goes to one like the first: to one with a sidecar, or to one without")
	PeerUnknown = entry(ir.Refused, "PeerUnknown", "MeshConfig", "trustDomain",
		"endpoints get nothing of which nobody knows the service account, or whose name is too long for TLS: whom to expect there could not be checked")
	MeshTCPKeepalive = entry(ir.NotCarried, "MeshTCPKeepalive", "MeshConfig", "tcpKeepalive.**",
		"connections to endpoints have the keepalive of the operating system")
	MeshH2Upgrade = entry(ir.NotCarried, "MeshH2Upgrade", "MeshConfig", "h2UpgradePolicy=UPGRADE",
		"endpoints are spoken to in HTTP/1.1 unless their port is HTTP2 or GRPC")
	MeshPathNormalization = entry(ir.Approximated, "MeshPathNormalization", "MeshConfig", "pathNormalization.normalization=*",
		"paths are always compared as nginx normalises them")
	AllowAnyDynamicDNS = entry(ir.Refused, "AllowAnyDynamicDNS", "MeshConfig", "outboundTrafficPolicy.tls.**",
		"beside the mode ALLOW_ANY_DYNAMIC_DNS requests to hosts outside of the mesh are answered with 503, because they would be sent in plain text")
	EnvoyFilterNotCarried = entry(ir.NotCarried, "EnvoyFilterNotCarried", "EnvoyFilter", "spec.configPatches[].**",
		"patches of Envoy's configuration have no meaning for APISIX")
)

var meshConfig = Object{
	API:  "MeshConfig",
	Note: "Only what concerns traffic.",
	Rows: []Row{
		exact("connectTimeout", ""),
		told(MeshTCPKeepalive),
		told(TrustedProxiesNotCarried),
		told(ProxyProtocolNotCarried),
		told(ClientCertDetails),
		exact("outboundTrafficPolicy.mode={REGISTRY_ONLY,ALLOW_ANY,ALLOW_ANY_DYNAMIC_DNS}", ""),
		told(AllowAnyDynamicDNS),
		exact("inboundTrafficPolicy.mode={PASSTHROUGH,LOCALHOST}", ""),
		exact("enableAutoMtls", "the server's certificate must be of the service account that the endpoint is known by"),
		told(MixedMutualTLS),
		told(PeerUnknown),
		exact("{defaultServiceExportTo[],defaultVirtualServiceExportTo[],defaultDestinationRuleExportTo[],rootNamespace}", ""),
		as("localityLbSetting", "DestinationRule spec.trafficPolicy.loadBalancer.localityLbSetting"),
		toldAt("zoneAwareLbSetting.**", ZoneAwareLB),
		exact("dnsRefreshRate", "for records without a time to live, and after failures"),
		told(MeshH2Upgrade),
		exact("serviceSettings[].{settings.clusterLocal,hosts[]}", ""),
		told(MeshPathNormalization),
		as("defaultHttpRetryPolicy", "VirtualService spec.http[].retries"),
		as("defaultTrafficPolicy", "DestinationRule spec.trafficPolicy"),
	},
}

var envoyFilter = Object{
	API:  "EnvoyFilter",
	Rows: []Row{told(EnvoyFilterNotCarried)},
}
