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

// The entries for Sidecar.
var (
	HTTPProxyListener = entry(ir.NotCarried, "HTTPProxyListener", "Sidecar", "spec.egress[].port.protocol=HTTP_PROXY",
		"the listener is not opened")
	UnixListener = entry(ir.NotCarried, "UnixListener", "Sidecar", "spec.egress[].bind",
		"listeners on unix domain sockets are not opened")
	ListenerBind = entry(ir.Approximated, "ListenerBind", "Sidecar", "spec.egress[].bind",
		"the rules of the listener hold for its port at every IP address")
	ListenerNotOpened = entry(ir.NotCarried, "ListenerNotOpened", "Sidecar", "spec.egress[].captureMode=NONE",
		"no port is opened for the listener; traffic must be captured to be routed")
	IngressTLSRefused = entry(ir.Refused, "IngressTLSRefused", "Sidecar", "spec.ingress[].tls.**",
		"where istiod has ENABLE_TLS_ON_SIDECAR_INGRESS, requests and connections to the port are refused, because TLS is not terminated yet; "+
			"elsewhere it has no effect, as on Envoy")
	UnixDefaultEndpoint = entry(ir.Refused, "UnixDefaultEndpoint", "Sidecar", "spec.ingress[].defaultEndpoint=unix://@",
		"requests and connections to the port are refused, because nginx cannot reach abstract unix domain sockets, and paths of more than 107 bytes")
)

var sidecar = Object{
	API:  "Sidecar",
	Note: "The scope that Istio computes for the proxy decides what it knows of, with a Sidecar and without.",
	Rows: []Row{
		exact("spec.workloadSelector.labels.*", ""),
		exact("spec.ingress[].port.{number,protocol,name}", ""),
		exact("spec.ingress[].port.targetPort", "has no effect, as on Envoy"),
		exact("spec.ingress[].bind", "is for listeners that are opened; captured traffic is taken whatever its address, as on Envoy"),
		exact("spec.ingress[].captureMode={DEFAULT,IPTABLES}", ""),
		toldAt("spec.ingress[].captureMode=NONE", ListenerNotOpened),
		exact("spec.ingress[].defaultEndpoint", ""),
		told(UnixDefaultEndpoint),
		told(IngressTLSRefused),
		as("spec.ingress[].connectionPool", "DestinationRule spec.trafficPolicy.connectionPool"),
		exact("spec.egress[].port.{number,name}", ""),
		exact("spec.egress[].port.protocol", ""),
		toldAt("spec.egress[].port.protocol=GRPC-WEB", GRPCWeb),
		told(HTTPProxyListener),
		exact("spec.egress[].port.targetPort", "has no effect, as on Envoy"),
		told(UnixListener),
		told(ListenerBind),
		exact("spec.egress[].captureMode={DEFAULT,IPTABLES}", ""),
		told(ListenerNotOpened),
		exact("spec.egress[].hosts[]", ""),
		as("spec.inboundConnectionPool", "DestinationRule spec.trafficPolicy.connectionPool"),
		exact("spec.outboundTrafficPolicy.mode={REGISTRY_ONLY,ALLOW_ANY}",
			"requests to hosts outside of the mesh go where they were captured on their way to; those that were not captured are answered with 503"),
		exact("spec.outboundTrafficPolicy.egressProxy.{host,subset,port.number}", ""),
	},
}
