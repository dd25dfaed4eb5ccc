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
	InboundNotServed = entry(ir.NotCarried, "InboundNotServed", "Sidecar", "spec.ingress[].**",
		"inbound traffic does not pass through the proxy yet, so that no inbound policy is enforced by it")
)

var sidecar = Object{
	API:  "Sidecar",
	Note: "The scope that Istio computes for the proxy decides what it knows of, with a Sidecar and without.",
	Rows: []Row{
		exact("spec.workloadSelector.labels.*", ""),
		told(InboundNotServed),
		exact("spec.egress[].port.{number,name}", ""),
		exact("spec.egress[].port.protocol", "for HTTP, HTTP2 and GRPC"),
		toldAt("spec.egress[].port.protocol=GRPC-WEB", GRPCWeb),
		toldAt("spec.egress[].port.protocol", TCPServiceNotCarried),
		told(HTTPProxyListener),
		exact("spec.egress[].port.targetPort", "has no effect, as on Envoy"),
		told(UnixListener),
		told(ListenerBind),
		exact("spec.egress[].captureMode={DEFAULT,IPTABLES}", ""),
		told(ListenerNotOpened),
		exact("spec.egress[].hosts[]", ""),
		toldAt("spec.inboundConnectionPool.**", InboundNotServed),
		exact("spec.outboundTrafficPolicy.mode={REGISTRY_ONLY,ALLOW_ANY}",
			"requests to hosts outside of the mesh go where they were captured on their way to; those that were not captured are answered with 503"),
		exact("spec.outboundTrafficPolicy.egressProxy.{host,subset,port.number}", ""),
	},
}
