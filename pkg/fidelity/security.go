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

// Differences of the policies of who may reach a workload. What cannot be enforced lets nobody in.
var (
	AuthorizationPolicyRefused = entry(ir.Refused, "AuthorizationPolicyRefused", "AuthorizationPolicy", "spec.action={ALLOW,DENY,CUSTOM}",
		"every request to the workloads that the policy selects is answered with 403 and every connection closed, because it is not enforced yet")
	RequestAuthenticationRefused = entry(ir.Refused, "RequestAuthenticationRefused", "RequestAuthentication", "spec.jwtRules[].**",
		"every request to the workloads that the policy selects is answered with 403 and every connection closed, because it is not enforced yet")
)

var peerAuthentication = Object{
	API: "PeerAuthentication",
	Rows: []Row{
		exact("spec.selector.matchLabels.*", ""),
		exact("spec.mtls.mode={UNSET,DISABLE,PERMISSIVE}", ""),
		exact("spec.mtls.mode=STRICT", "a client with a certificate of the mesh but of another trust domain is answered with 403, where Envoy ends the handshake"),
		exact("spec.portLevelMtls.*.mode={UNSET,DISABLE,PERMISSIVE,STRICT}", ""),
	},
}

var authorizationPolicy = Object{
	API: "AuthorizationPolicy",
	Rows: []Row{
		exact("spec.{selector.matchLabels.*,targetRef.**,targetRefs[].**}", ""),
		exact("spec.action=AUDIT", "has no effect without a provider of audit logs"),
		told(AuthorizationPolicyRefused),
		toldAt("spec.{rules[].**,provider.name}", AuthorizationPolicyRefused),
	},
}

var requestAuthentication = Object{
	API: "RequestAuthentication",
	Rows: []Row{
		exact("spec.{selector.matchLabels.*,targetRef.**,targetRefs[].**}", ""),
		told(RequestAuthenticationRefused),
	},
}
