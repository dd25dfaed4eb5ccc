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

// The entries for services, however they were declared.
var (
	SniffedPort = entry(ir.Approximated, "SniffedPort", "Service", "spec.ports[].appProtocol",
		"HTTP to a port without a declared protocol is matched by host alone, whatever its address; name the port http-… or tcp-…")
	GRPCWeb = entry(ir.NotCarried, "GRPCWeb", "Service", "spec.ports[].appProtocol=grpc-web",
		"requests are forwarded as they are; Envoy makes gRPC of them")
	RemoteAccounts = entry(ir.Refused, "RemoteAccounts", "Service", "topology.istio.io/network",
		"the gateway of another network gets nothing where the endpoints behind it are of several service accounts: whom to expect there could not be checked")
)

var service = Object{
	API:  "Service",
	Note: "Of Kubernetes' API, what Istio reads of a Service and its endpoints.",
	Rows: []Row{
		exact("spec.ports[].{name,port,targetPort,appProtocol}", "UDP is not proxied, as on Envoy"),
		told(GRPCWeb),
		told(SniffedPort),
		exact("spec.{type,clusterIPs[],externalName,selector.*,publishNotReadyAddresses}", ""),
		exact("spec.clusterIP=None", "requests of a connection that was not captured are shared among the endpoints"),
		exact("spec.internalTrafficPolicy", ""),
		exact("spec.trafficDistribution", ""),
		exact("metadata.annotations[networking.istio.io/exportTo]", ""),
		exact("topology.istio.io/network", "endpoints of other networks are reached through their networks' gateways"),
		told(RemoteAccounts),
	},
}

var serviceEntry = Object{
	API: "ServiceEntry",
	Rows: []Row{
		exact("spec.hosts[]", ""),
		toldAt("spec.hosts[]", DomainNotCarried),
		exact("spec.addresses[]", ""),
		exact("spec.ports[].{number,name,targetPort}", ""),
		exact("spec.ports[].protocol", ""),
		toldAt("spec.ports[].protocol=GRPC-WEB", GRPCWeb),
		toldAt("spec.ports[].protocol", SniffedPort),
		exact("spec.location=MESH_EXTERNAL", ""),
		exact("spec.location=MESH_INTERNAL", ""),
		exact("spec.resolution=NONE", ""),
		exact("spec.resolution=STATIC", ""),
		exact("spec.resolution={DNS,DNS_ROUND_ROBIN}", "a name that cannot be looked up keeps its addresses"),
		exact("spec.resolution=DYNAMIC_DNS", "a name is kept for five minutes after its last request, and 1,024 of them in each worker process"),
		as("spec.endpoints[]", "WorkloadEntry spec"),
		exact("spec.workloadSelector.labels.*", ""),
		exact("spec.exportTo[]", ""),
		exact("spec.subjectAltNames[]", "one for endpoints without a service account; the DestinationRule's come first"),
	},
}
