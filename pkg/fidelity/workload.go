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

// UnixEndpoint is an endpoint that nginx cannot connect to.
var UnixEndpoint = entry(ir.NotCarried, "UnixEndpoint", "WorkloadEntry", "spec.address=unix://@",
	"endpoints on abstract unix domain sockets, and on paths of more than 107 bytes, are left out, because nginx cannot reach them")

var workloadEntry = Object{
	API:  "WorkloadEntry",
	Note: "Diagnostics name the service that the endpoint belongs to.",
	Rows: []Row{
		exact("spec.address", "paths of unix domain sockets too, which the proxy must be allowed to connect to"),
		told(UnixEndpoint),
		exact("spec.ports.*", ""),
		exact("spec.labels.*", ""),
		exact("spec.network", "endpoints of other networks are reached through their networks' gateways"),
		toldAt("spec.network", RemoteAccounts),
		exact("spec.locality", ""),
		exact("spec.weight", ""),
		toldAt("spec.serviceAccount", PeerUnknown),
	},
}

var workloadGroup = Object{
	API:  "WorkloadGroup",
	Note: "istiod registers the workloads of a group; the proxy beside them has no part in it but the probe.",
	Rows: []Row{
		exact("spec.metadata.{labels,annotations}.*", ""),
		as("spec.template", "WorkloadEntry spec"),
		untold(ir.NotCarried, "spec.probe.**",
			"the agent does not probe: the workload counts as healthy as long as it is registered; the agent's log says so"),
	},
}
