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
	TimeoutPerRead = entry(ir.Approximated, "TimeoutPerRead", "VirtualService", "spec.http[].timeout",
		"APISIX limits the time between two reads from the destination, not that of the whole response")
	FaultPercentage = entry(ir.Approximated, "FaultPercentage", "VirtualService", "spec.http[].fault.*.percentage",
		"the fault-injection plugin takes whole percents only, so the share is rounded")
	FaultGRPCStatus = entry(ir.NotCarried, "FaultGRPCStatus", "VirtualService", "spec.http[].fault.abort.grpcStatus",
		"requests are not aborted, because the fault-injection plugin answers with HTTP statuses only; use httpStatus")
	FaultExponentialDelay = entry(ir.NotCarried, "FaultExponentialDelay", "VirtualService", "spec.http[].fault.delay.exponentialDelay",
		"requests are not delayed, as on Envoy")
	RetriesNotCarried = entry(ir.NotCarried, "RetriesNotCarried", "VirtualService", "spec.http[].retries",
		"a failed connection is tried twice more, whatever the policy says")
	RewriteNotCarried = entry(ir.NotCarried, "RewriteNotCarried", "VirtualService", "spec.http[].rewrite",
		"requests are forwarded with the path and the host that the client sent")
	HeadersNotCarried = entry(ir.NotCarried, "HeadersNotCarried", "VirtualService", "spec.http[].headers",
		"headers are forwarded as they came")
	DestinationHeadersNotCarried = entry(ir.NotCarried, "DestinationHeadersNotCarried", "VirtualService", "spec.http[].route[].headers",
		"headers are forwarded as they came")
	MirrorNotCarried = entry(ir.NotCarried, "MirrorNotCarried", "VirtualService", "spec.http[].mirrors",
		"no request is mirrored")
	CORSNotCarried = entry(ir.NotCarried, "CORSNotCarried", "VirtualService", "spec.http[].corsPolicy",
		"preflight requests are forwarded and no CORS header is added")
	RedirectRefused = entry(ir.Refused, "RedirectRefused", "VirtualService", "spec.http[].redirect",
		"requests that match the rule are answered with 501")
	DirectResponseRefused = entry(ir.Refused, "DirectResponseRefused", "VirtualService", "spec.http[].directResponse",
		"requests that match the rule are answered with 501")
	StatPrefixNotCarried = entry(ir.NotCarried, "StatPrefixNotCarried", "VirtualService", "spec.http[].match[].statPrefix",
		"metrics have no such prefix; the traffic is the same")
	RegexNotCarried = entry(ir.NotCarried, "RegexNotCarried", "VirtualService", "spec.http[].match[].*.regex",
		"the rule never matches, because PCRE cannot give the expression the meaning it has in RE2")
	JWTClaimMatchNotCarried = entry(ir.NotCarried, "JWTClaimMatchNotCarried", "VirtualService", "spec.http[].match[].headers[@request.auth.claims]",
		"the rule never matches")
	TooManyDestinations = entry(ir.Refused, "TooManyDestinations", "VirtualService", "spec.http[].route",
		"requests that match the rule are answered with 501, because the traffic-split plugin takes at most 20 destinations")
	UnknownDestination = entry(ir.Refused, "UnknownDestination", "VirtualService", "spec.http[].route[].destination",
		"requests are answered with 503, as on Envoy")
	DomainNotCarried = entry(ir.NotCarried, "DomainNotCarried", "VirtualService", "spec.hosts[]",
		"requests for the host are not routed, because APISIX has no such host name")
	TCPRoutesNotCarried = entry(ir.NotCarried, "TCPRoutesNotCarried", "VirtualService", "spec.tcp",
		"TCP is not routed yet")
	TLSRoutesNotCarried = entry(ir.NotCarried, "TLSRoutesNotCarried", "VirtualService", "spec.tls",
		"TLS is not routed yet")
)

// The entries for DestinationRule.
var (
	LBRandom = entry(ir.Approximated, "LBRandom", "DestinationRule", "spec.trafficPolicy.loadBalancer.simple",
		"RANDOM becomes round robin")
	LBPassthroughRefused = entry(ir.Refused, "LBPassthroughRefused", "DestinationRule", "spec.trafficPolicy.loadBalancer.simple",
		"requests are answered with 503, because PASSTHROUGH needs the original destination")
	HashCookieNotGenerated = entry(ir.Approximated, "HashCookieNotGenerated", "DestinationRule", "spec.trafficPolicy.loadBalancer.consistentHash.httpCookie",
		"a cookie that the client sends is hashed, but none is generated for clients without one")
	HashKeyNotCarried = entry(ir.Approximated, "HashKeyNotCarried", "DestinationRule", "spec.trafficPolicy.loadBalancer.consistentHash",
		"requests are spread round robin, because APISIX takes letters, digits, '-' and '_' only in the name of a hash key")
	HashTableSize = entry(ir.Approximated, "HashTableSize", "DestinationRule", "spec.trafficPolicy.loadBalancer.consistentHash.{ringHash,maglev}",
		"APISIX chooses the size of its hash ring by itself")
	LBWarmup = entry(ir.NotCarried, "LBWarmup", "DestinationRule", "spec.trafficPolicy.loadBalancer.warmup",
		"a new endpoint gets its full share at once")
	LocalityLB = entry(ir.NotCarried, "LocalityLB", "DestinationRule", "spec.trafficPolicy.loadBalancer.localityLbSetting",
		"endpoints of all localities are alike")
	ConnectionPool = entry(ir.NotCarried, "ConnectionPool", "DestinationRule", "spec.trafficPolicy.connectionPool",
		"of the connection pool only tcp.connectTimeout has an effect")
	OutlierDetection = entry(ir.NotCarried, "OutlierDetection", "DestinationRule", "spec.trafficPolicy.outlierDetection",
		"no endpoint is ejected")
	TLSOriginationRefused = entry(ir.Refused, "TLSOriginationRefused", "DestinationRule", "spec.trafficPolicy.tls",
		"requests are answered with 503, because APISIX would send in plain text what Envoy encrypts; set the mode to DISABLE where that is meant")
	TunnelRefused = entry(ir.Refused, "TunnelRefused", "DestinationRule", "spec.trafficPolicy.tunnel",
		"requests are answered with 503, because no tunnel is built")
	ProxyProtocolRefused = entry(ir.Refused, "ProxyProtocolRefused", "DestinationRule", "spec.trafficPolicy.proxyProtocol",
		"requests are answered with 503, because the destination expects a PROXY protocol header that is not sent")
)

// The entries for services, however they were declared.
var (
	HeadlessRefused = entry(ir.Refused, "HeadlessRefused", "Service", "spec.clusterIP=None",
		"requests are answered with 503, because the service needs the original destination")
	DynamicDNSRefused = entry(ir.Refused, "DynamicDNSRefused", "ServiceEntry", "spec.resolution=DYNAMIC_DNS",
		"requests are answered with 503")
	SniffedPort = entry(ir.Approximated, "SniffedPort", "Service", "spec.ports[].appProtocol",
		"a port without a declared protocol is taken for HTTP and matched by host alone; name the port http-… or tcp-…")
	TCPServiceNotCarried = entry(ir.NotCarried, "TCPServiceNotCarried", "Service", "spec.ports[].appProtocol",
		"TCP is not routed yet")
	RemoteNetwork = entry(ir.NotCarried, "RemoteNetwork", "Service", "topology.istio.io/network",
		"endpoints of other networks are left out, because no gateway is used yet")
	UnixEndpoint = entry(ir.NotCarried, "UnixEndpoint", "ServiceEntry", "spec.endpoints[].address",
		"endpoints on unix domain sockets are left out")
)

// The entries for the rest of a proxy's configuration.
var (
	PassthroughNotCarried = entry(ir.NotCarried, "PassthroughNotCarried", "Sidecar", "spec.outboundTrafficPolicy.mode=ALLOW_ANY",
		"requests to hosts outside the mesh are answered with 404")
	HTTPProxyListener = entry(ir.NotCarried, "HTTPProxyListener", "Sidecar", "spec.egress[].port.protocol=HTTP_PROXY",
		"the listener is not opened")
	UnixListener = entry(ir.NotCarried, "UnixListener", "Sidecar", "spec.egress[].bind",
		"listeners on unix domain sockets are not opened")
	InboundNotServed = entry(ir.NotCarried, "InboundNotServed", "Sidecar", "spec.ingress",
		"inbound traffic does not pass through the proxy yet, so that no inbound policy is enforced by it")
	AutoMTLS = entry(ir.NotCarried, "AutoMTLS", "MeshConfig", "enableAutoMtls",
		"requests to endpoints with a sidecar go out in plain text; an endpoint in STRICT mode refuses them")
	EnvoyFilterNotCarried = entry(ir.NotCarried, "EnvoyFilterNotCarried", "EnvoyFilter", "spec.configPatches",
		"patches of Envoy's configuration have no meaning for APISIX")
)

// Carried lists what is carried exactly.
var Carried = []Exact{
	{API: "Service", Field: "spec.ports (HTTP, HTTP2, GRPC)"},
	{API: "ServiceEntry", Field: "spec.hosts, ports, endpoints, resolution STATIC, DNS and DNS_ROUND_ROBIN", Note: "APISIX resolves names by its own resolver"},
	{API: "WorkloadEntry", Field: "spec.address, ports, labels, weight"},
	{API: "Sidecar", Field: "workloadSelector, egress[].hosts, egress[].port, outboundTrafficPolicy REGISTRY_ONLY"},
	{API: "VirtualService", Field: "spec.hosts, exportTo, gateways, delegates, order of precedence"},
	{API: "VirtualService", Field: "spec.http[].match: uri, ignoreUriCase, scheme, method, authority, headers, withoutHeaders, queryParams, port, sourceLabels, sourceNamespace, gateways", Note: "paths are compared as nginx normalises them: percent-decoded, with dot segments resolved and slashes merged"},
	{API: "VirtualService", Field: "spec.http[].route: destinations, subsets, ports, weights"},
	{API: "VirtualService", Field: "spec.http[].fault: fixedDelay, httpStatus"},
	{API: "DestinationRule", Field: "spec.subsets, portLevelSettings, workloadSelector, exportTo"},
	{API: "DestinationRule", Field: "spec.trafficPolicy.loadBalancer: ROUND_ROBIN, LEAST_REQUEST, consistentHash by header, source IP and query parameter", Note: "least_conn counts per worker process"},
	{API: "DestinationRule", Field: "spec.trafficPolicy.connectionPool.tcp.connectTimeout"},
}

var all []*Entry

func entry(s ir.Severity, code, api, field, effect string) *Entry {
	e := &Entry{Code: code, Severity: s, API: api, Field: field, Effect: effect}
	all = append(all, e)
	return e
}

// Entries lists the table in the order of its declaration.
func Entries() []*Entry {
	return all
}
