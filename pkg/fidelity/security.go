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
	AuthorizationPolicyRefused = entry(ir.Refused, "AuthorizationPolicyRefused", "AuthorizationPolicy", "spec.action=CUSTOM",
		"every request to the workloads that the policy selects is answered with 403 and every connection closed, because it is not enforced yet; "+
			"so are those to gateways that any policy selects but one that audits")
	AuthorizationConditionUnknown = entry(ir.Refused, "AuthorizationConditionUnknown", "AuthorizationPolicy", "spec.rules[].when[].key",
		"experimental.envoy.filters, and headers that proxies write themselves, such as x-forwarded-client-cert, are not known as they are with Envoy, so that a rule which "+
			"allows and asks for one allows nothing, and one which denies denies without regard to it")
	AuthorizationServerName = entry(ir.Refused, "AuthorizationServerName", "AuthorizationPolicy", "spec.rules[].when[].key=connection.sni",
		"where a rule comes to ask for the name and it is not known, the request or connection is refused: from the mesh's own clients, which ask for the workload by "+
			"another name than Envoy, and in TLS that is the application's own")
	AuthorizationDryRun = entry(ir.NotCarried, "AuthorizationDryRun", "AuthorizationPolicy", "metadata.annotations[istio.io/dry-run]",
		"nothing tells what the policy would do")
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
		exact("spec.selector.matchLabels.*", ""),
		exact("spec.{targetRef,targetRefs[]}.{group,kind,name,namespace}", "they name gateways"),
		exact("spec.rules[].from[].source.{principals,notPrincipals,serviceAccounts,notServiceAccounts,namespaces,notNamespaces,trustDomains,notTrustDomains}[]",
			"of the client's certificate"),
		exact("spec.rules[].from[].source.{requestPrincipals,notRequestPrincipals}[]", "there is no token as long as RequestAuthentication is refused"),
		exact("spec.rules[].from[].source.{ipBlocks,notIpBlocks}[]", ""),
		exact("spec.rules[].from[].source.{remoteIpBlocks,notRemoteIpBlocks}[]",
			"the last address of X-Forwarded-For; a request whose last is no address is refused, where Envoy takes the one of the connection"),
		exact("spec.rules[].to[].operation.{hosts,notHosts,methods,notMethods,ports,notPorts}[]", ""),
		exact("spec.rules[].to[].operation.{paths,notPaths}[]",
			"a path that pathNormalization changes is forwarded as it was compared, as with Envoy; where it cannot be, over HTTP/2, the request is refused"),
		told(AuthorizationConditionUnknown),
		told(AuthorizationServerName),
		exact("spec.rules[].when[].{values,notValues}[]", "several values of a header are compared as one, with commas; a request with several of Cookie is refused where one is asked for"),
		exact("spec.action={ALLOW,DENY}", ""),
		exact("spec.action=AUDIT", "has no effect without a provider of audit logs"),
		told(AuthorizationPolicyRefused),
		toldAt("spec.provider.name", AuthorizationPolicyRefused),
		told(AuthorizationDryRun),
	},
}

var requestAuthentication = Object{
	API: "RequestAuthentication",
	Rows: []Row{
		exact("spec.{selector.matchLabels.*,targetRef.**,targetRefs[].**}", ""),
		told(RequestAuthenticationRefused),
	},
}
