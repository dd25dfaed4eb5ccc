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

// The entries for VirtualService.
var (
	TimeoutStalledBody = entry(ir.Approximated, "TimeoutStalledBody", "VirtualService", "spec.http[].timeout",
		"the time is that of the whole response, but for a body that stalls: it is cut when nothing came for that time")
	FaultExponentialDelay = entry(ir.NotCarried, "FaultExponentialDelay", "VirtualService", "spec.http[].fault.delay.exponentialDelay",
		"requests are not delayed, as on Envoy")
	FaultStatusNotCarried = entry(ir.NotCarried, "FaultStatusNotCarried", "VirtualService", "spec.http[].fault.abort.httpStatus",
		"requests are not aborted, because a response has a status from 200 to 599")
	RetryConditions = entry(ir.Approximated, "RetryConditions", "VirtualService", "spec.http[].retries.{retryOn,attempts}",
		"nginx sees no status of gRPC in time, and no header, lets no status below 300 come back, and follows eight further tries of a response")
	RetryBackoff = entry(ir.NotCarried, "RetryBackoff", "VirtualService", "spec.http[].retries.backoff",
		"the next try of a gRPC request follows at once")
	RewriteRegexRefused = entry(ir.Refused, "RewriteRegexRefused", "VirtualService", "spec.http[].rewrite.uriRegexRewrite.match",
		"requests that match the rule are answered with 501, because PCRE cannot give the expression the meaning it has in RE2")
	RewriteWithoutSlash = entry(ir.Approximated, "RewriteWithoutSlash", "VirtualService", "spec.http[].rewrite.uri",
		"a path that would begin without a slash is sent with one; Envoy sends a request line that HTTP does not allow")
	HeaderNameDropped = entry(ir.NotCarried, "HeaderNameDropped", "VirtualService",
		"spec.http[].match[].{headers,withoutHeaders}.*.{exact,prefix,regex}",
		"the condition is compared with a missing header, because nginx drops those whose names have other characters than letters, digits, `-` and `_`")
	HeaderUnderscore = entry(ir.Approximated, "HeaderUnderscore", "VirtualService",
		"spec.http[].match[].{headers,withoutHeaders}.*.{exact,prefix,regex}",
		"a header whose name has `-` in the place of `_` meets the condition too")
	QueryDecoded = entry(ir.Approximated, "QueryDecoded", "VirtualService", "spec.http[].match[].queryParams.*.{exact,prefix,regex}",
		"the parameter is compared after percent-decoding, with plus as space; Envoy compares it as it was sent")
	HeaderNotCarried = entry(ir.NotCarried, "HeaderNotCarried", "VirtualService", "spec.http[].headers.{request,response}.{set,add}.*",
		"the header is left as it is, because its value has a substitution that APISIX knows nothing of, or its name is none that HTTP allows")
	MirrorBuffered = entry(ir.Approximated, "MirrorBuffered", "VirtualService", "spec.http[].{mirror.**,mirrors[].destination.**}",
		"the body of a mirrored request is read before it is forwarded; WebSocket and gRPC requests are not mirrored")
	CORSOriginNotCarried = entry(ir.NotCarried, "CORSOriginNotCarried", "VirtualService", "spec.http[].corsPolicy.allowOrigins[].regex",
		"the origins are not allowed, because PCRE cannot give the expression the meaning it has in RE2")
	RedirectRefused = entry(ir.Refused, "RedirectRefused", "VirtualService", "spec.http[].redirect.{redirectCode,port,scheme}",
		"requests that match the rule are answered with 501; codes are 301, 302, 303, 307 and 308, ports end at 65535")
	StatusRefused = entry(ir.Refused, "StatusRefused", "VirtualService", "spec.http[].directResponse.status",
		"requests that match the rule are answered with 501, because a response has a status from 200 to 599")
	StatPrefixNotCarried = entry(ir.NotCarried, "StatPrefixNotCarried", "VirtualService", "spec.http[].match[].statPrefix",
		"metrics have no such prefix; the traffic is the same")
	RegexNotCarried = entry(ir.NotCarried, "RegexNotCarried", "VirtualService",
		"spec.http[].match[].{uri,scheme,method,authority,headers.*,queryParams.*,withoutHeaders.*}.regex",
		"the rule never matches, because PCRE cannot give the expression the meaning it has in RE2")
	JWTClaimMatchNotCarried = entry(ir.NotCarried, "JWTClaimMatchNotCarried", "VirtualService", "spec.http[].match[].headers[@request.auth.claims]",
		"the rule never matches")
	UnknownDestination = entry(ir.Refused, "UnknownDestination", "VirtualService", "spec.http[].route[].destination.{host,subset,port.number}",
		"requests are answered with 503, or 500 by a route of the Gateway API, as on Envoy")
	UnknownMirror = entry(ir.NotCarried, "UnknownMirror", "VirtualService", "spec.http[].{mirror,mirrors[].destination}.{host,subset,port.number}",
		"no request is mirrored to it, as on Envoy")
	DomainNotCarried = entry(ir.NotCarried, "DomainNotCarried", "VirtualService", "spec.hosts[]",
		"requests for the host are not routed, because APISIX has no such host name")
	UnknownTCPDestination = entry(ir.Refused, "UnknownTCPDestination", "VirtualService",
		"spec.{tls,tcp}[].route[].destination.{host,subset,port.number}", "connections are closed, as on Envoy")
	SNINotCarried = entry(ir.NotCarried, "SNINotCarried", "VirtualService", "spec.tls[].match[].sniHosts[]",
		"connections for the name are not matched, because APISIX has no such host name")
)

var virtualService = Object{
	API: "VirtualService",
	Note: "Objects bind to the proxies, hosts and rules that they bind to on Envoy, delegates and precedence included. Fields that " +
		"Envoy ignores beside others (such as `timeout` beside `redirect`) are ignored here too.",
	Rows: []Row{
		exact("spec.hosts[]", "a dot at the end of the Host header counts for nothing; on Envoy it does unless the rest is the full name of a service"),
		told(DomainNotCarried),
		exact("spec.gateways[]", "an object without `mesh` among them is not for sidecars, as on Envoy"),
		exact("spec.http[].name", "is the name of APISIX's route, unless it has more than 256 bytes"),

		exact("spec.http[].match[].name", "is appended to the name of the route"),
		exact("spec.http[].match[].uri.{exact,prefix,regex}", ""),
		untold(ir.Approximated, "spec.http[].match[].uri.{exact,prefix,regex}",
			"paths are compared as nginx normalises them: Envoy resolves dot segments too, but neither decodes every escape nor merges slashes"),
		told(RegexNotCarried),
		exact("spec.http[].match[].{scheme,method,authority}.{exact,prefix,regex}", ""),
		exact("spec.http[].match[].headers.*.{exact,prefix,regex}", "a condition without a value asks for presence"),
		told(JWTClaimMatchNotCarried),
		untold(ir.Approximated, "spec.http[].match[].{headers,withoutHeaders}.*.{exact,prefix,regex}",
			"several headers of one name are joined by `, `, not by `,`"),
		told(HeaderUnderscore),
		told(HeaderNameDropped),
		exact("spec.http[].match[].port", ""),
		exact("spec.http[].match[].sourceLabels.*", ""),
		exact("spec.http[].match[].gateways[]", ""),
		exact("spec.http[].match[].queryParams.*.{exact,prefix,regex}", ""),
		told(QueryDecoded),
		exact("spec.http[].match[].ignoreUriCase", ""),
		exact("spec.http[].match[].withoutHeaders.*.{exact,prefix,regex}", ""),
		exact("spec.http[].match[].sourceNamespace", ""),
		told(StatPrefixNotCarried),

		exact("spec.http[].route[].destination.{host,subset,port.number}", ""),
		told(UnknownDestination),
		exact("spec.http[].route[].weight", ""),
		as("spec.http[].route[].headers", "spec.http[].headers"),

		exact("spec.http[].redirect.{uri,authority,port,scheme,prefixRewrite}", ""),
		exact("spec.http[].redirect.derivePort={FROM_PROTOCOL_DEFAULT,FROM_REQUEST_PORT}", ""),
		exact("spec.http[].redirect.redirectCode", ""),
		told(RedirectRefused),
		exact("spec.http[].directResponse.status", ""),
		told(StatusRefused),
		exact("spec.http[].directResponse.body.{string,bytes}", ""),
		exact("spec.http[].delegate.{name,namespace}", ""),
		exact("spec.http[].rewrite.{uri,authority}", ""),
		told(RewriteWithoutSlash),
		exact("spec.http[].rewrite.uriRegexRewrite.{match,rewrite}", ""),
		told(RewriteRegexRefused),

		told(TimeoutStalledBody),
		exact("spec.http[].retries.{attempts,perTryTimeout,retryOn,retryRemoteLocalities}",
			"by Istio's default policy too, a gRPC request is tried again only while no endpoint has seen it"),
		told(RetryConditions),
		exact("spec.http[].retries.retryIgnorePreviousHosts", ""),
		exact("spec.http[].retries.backoff",
			"further tries of Istio's default policy follow at once, and so do those without a response where statuses are named that leave out 502 or 504"),
		told(RetryBackoff),
		exact("spec.http[].fault.delay.{percent,fixedDelay,percentage.value}", ""),
		told(FaultExponentialDelay),
		exact("spec.http[].fault.abort.{httpStatus,grpcStatus,percentage.value}", ""),
		told(FaultStatusNotCarried),
		exact("spec.http[].fault.abort.http2Error", "is refused by Istio's validation"),

		told(MirrorBuffered),
		told(UnknownMirror),
		exact("spec.http[].{mirrors[].percentage.value,mirrorPercent,mirrorPercentage.value}", ""),
		exact("spec.http[].corsPolicy.{allowOrigin[],allowOrigins[].exact,allowOrigins[].prefix,allowOrigins[].regex}", ""),
		told(CORSOriginNotCarried),
		exact("spec.http[].corsPolicy.{allowMethods[],allowHeaders[],exposeHeaders[],maxAge,allowCredentials}", ""),
		exact("spec.http[].corsPolicy.unmatchedPreflights={UNSPECIFIED,FORWARD,IGNORE}", ""),
		exact("spec.http[].headers.{request,response}.{set.*,add.*,remove[]}", ""),
		told(HeaderNotCarried),

		exact("spec.tls[].match[].{sniHosts[],destinationSubnets[],port,sourceLabels.*,gateways[],sourceNamespace}", ""),
		told(SNINotCarried),
		exact("spec.tcp[].match[].{destinationSubnets[],port,sourceLabels.*,gateways[],sourceNamespace}", ""),
		exact("spec.tcp[].match[].sourceSubnet", "has no effect, as on Envoy"),
		exact("spec.{tls,tcp}[].route[].{destination.host,destination.subset,destination.port.number,weight}", ""),
		told(UnknownTCPDestination),
		exact("spec.exportTo[]", ""),
	},
}
