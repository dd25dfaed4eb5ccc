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

// The entries for DestinationRule.
var (
	HashTableSize = entry(ir.Approximated, "HashTableSize", "DestinationRule",
		"spec.trafficPolicy.loadBalancer.consistentHash.maglev.tableSize",
		"maglev becomes a hash ring, and a ring has 65,536 points at most")
	ZoneAwareLB = entry(ir.Approximated, "ZoneAwareLB", "DestinationRule", "spec.trafficPolicy.loadBalancer.zoneAwareLbSetting.**",
		"other regions come after the own one, as on Envoy, and zones of the same region are alike")
	RetryBudget = entry(ir.Approximated, "RetryBudget", "DestinationRule", "spec.trafficPolicy.retryBudget.**",
		"the budget is a share of the requests of the moment, whatever budgetInterval is, and of none that are passed through")
	ConnectionPool = entry(ir.NotCarried, "ConnectionPool", "DestinationRule", "spec.trafficPolicy.connectionPool.**",
		"connections have the keepalive of the operating system and no limit of their lifetime; the number of connections "+
			"of HTTP/2 is not limited, nor is anything of destinations that requests are passed through to")
	ClientProtocol = entry(ir.NotCarried, "ClientProtocol", "DestinationRule", "spec.trafficPolicy.connectionPool.http.useClientProtocol",
		"endpoints are spoken to in HTTP/2 where their port is HTTP2 or GRPC, and else in HTTP/1.1, whatever the client speaks; gRPC needs such a port")
	ConnectionLimits = entry(ir.Approximated, "ConnectionLimits", "DestinationRule",
		"spec.trafficPolicy.connectionPool.{tcp.maxConnections,http.http1MaxPendingRequests,http.maxRetries}",
		"connections that serve a request are counted, and not idle ones; requests wait in no particular order, and while one waits only for "+
			"its connection to be made it is not counted; a retry too many is answered with what it was to repeat")
	OutlierDetection = entry(ir.NotCarried, "OutlierDetection", "DestinationRule",
		"spec.trafficPolicy.loadBalancer.simple=PASSTHROUGH", "no endpoint is ejected that requests are passed through to")
	TLSOriginationRefused = entry(ir.Refused, "TLSOriginationRefused", "DestinationRule",
		"spec.trafficPolicy.tls.mode=MUTUAL",
		"without clientCertificate and privateKey requests are answered with 503 and connections closed; Envoy sends them in plain text")
	CredentialForSidecars = entry(ir.Refused, "CredentialForSidecars", "DestinationRule", "spec.trafficPolicy.tls.credentialName",
		"requests of sidecars are answered with 503, because only gateways get Secrets; name files of the proxy in clientCertificate, privateKey and "+
			"caCertificates. Without a workloadSelector Envoy sends them in plain text")
	DestinationCredentialRefused = entry(ir.Refused, "DestinationCredentialRefused", "DestinationRule", "spec.trafficPolicy.tls.credentialName",
		"requests are answered with 503 without the certificate that is to be shown, or without the authorities that are to be trusted")
	TunnelRefused = entry(ir.Refused, "TunnelRefused", "DestinationRule", "spec.trafficPolicy.tunnel.{protocol,targetHost,targetPort}",
		"connections are closed, because APISIX does not tunnel them through HTTP; requests of HTTP ports are never tunnelled, as on Envoy")
	ProxyProtocolRefused = entry(ir.Refused, "ProxyProtocolRefused", "DestinationRule", "spec.trafficPolicy.proxyProtocol.**",
		"requests are answered with 503, because the destination expects a PROXY protocol header that is not sent")
)

var destinationRule = Object{
	API:  "DestinationRule",
	Note: "Which rule, subset and port a policy comes from, and what it inherits, is decided as on Envoy.",
	Rows: []Row{
		exact("spec.host", ""),

		exact("spec.trafficPolicy.loadBalancer.simple={UNSPECIFIED,LEAST_CONN,LEAST_REQUEST}",
			"active requests are counted in each worker process, and the endpoint with the fewest gets the next one; Envoy takes the better of two"),
		exact("spec.trafficPolicy.loadBalancer.simple=PASSTHROUGH", ""),
		told(OutlierDetection),
		exact("spec.trafficPolicy.loadBalancer.simple={ROUND_ROBIN,RANDOM}", ""),
		exact("spec.trafficPolicy.loadBalancer.consistentHash.httpHeaderName", "which endpoint a key leads to is another one than on Envoy, for any key and size of ring"),
		exact("spec.trafficPolicy.loadBalancer.consistentHash.httpCookie.{name,path,ttl,attributes[].name,attributes[].value}", ""),
		exact("spec.trafficPolicy.loadBalancer.consistentHash.{useSourceIp,httpQueryParameterName}", ""),
		exact("spec.trafficPolicy.loadBalancer.consistentHash.{ringHash.minimumRingSize,minimumRingSize}", ""),
		toldAt("spec.trafficPolicy.loadBalancer.consistentHash.{ringHash.minimumRingSize,minimumRingSize}", HashTableSize),
		told(HashTableSize),
		exact("spec.trafficPolicy.loadBalancer.localityLbSetting.{distribute[].from,distribute[].to.*,failover[].from,failover[].to,failoverPriority[],enabled}",
			"Istio's own code sets priorities and weights; the balancer shares requests as Envoy does"),
		told(ZoneAwareLB),
		exact("spec.trafficPolicy.loadBalancer.{warmupDurationSecs,warmup.duration,warmup.minimumPercent,warmup.aggression}", "an endpoint is new from the first request after it came"),

		told(ConnectionPool),
		told(ConnectionLimits),
		exact("spec.trafficPolicy.connectionPool.tcp.{connectTimeout,idleTimeout}", ""),
		exact("spec.trafficPolicy.connectionPool.http.http2MaxRequests", "all worker processes count together"),
		exact("spec.trafficPolicy.connectionPool.http.{maxRequestsPerConnection,idleTimeout}", "by default a connection is closed after a minute without a request"),
		exact("spec.trafficPolicy.connectionPool.http.h2UpgradePolicy={DEFAULT,DO_NOT_UPGRADE}", ""),
		toldAt("spec.trafficPolicy.connectionPool.http.h2UpgradePolicy=UPGRADE", ClientProtocol),
		told(ClientProtocol),
		exact("spec.trafficPolicy.connectionPool.http.maxConcurrentStreams", "a connection has one request at a time"),
		exact("spec.trafficPolicy.outlierDetection.{consecutiveErrors,outlierDetectionHttpErrorCodes[]}", "Istio does not read them either"),
		exact("spec.trafficPolicy.outlierDetection.{splitExternalLocalOriginErrors,consecutiveLocalOriginFailures,consecutiveGatewayErrors,consecutive5xxErrors}",
			"a response is counted when it is complete"),
		exact("spec.trafficPolicy.outlierDetection.{interval,baseEjectionTime,maxEjectionPercent,minHealthPercent}",
			"with the default of 10% an endpoint of fewer than ten is never ejected, as on Envoy"),

		exact("spec.trafficPolicy.tls.mode={DISABLE,ISTIO_MUTUAL}", ""),
		exact("spec.trafficPolicy.tls.mode={SIMPLE,MUTUAL}", "certificates are verified in the handshake, as by Envoy; a request of which none is taken is answered with 502"),
		told(TLSOriginationRefused),
		exact("spec.trafficPolicy.tls.{clientCertificate,privateKey,caCertificates,caCrl}", "files of the proxy, which are read again when they change"),
		exact("spec.trafficPolicy.tls.credentialName", "for gateways"),
		told(CredentialForSidecars),
		told(DestinationCredentialRefused),
		exact("spec.trafficPolicy.tls.subjectAltNames[]", "in the mode ISTIO_MUTUAL an endpoint must be who it is known as, if he is among the names, and else the first of them"),
		exact("spec.trafficPolicy.tls.sni", "without it, and without subjectAltNames, requests ask for their host, for which the certificate must be; other connections ask for no name"),
		exact("spec.trafficPolicy.tls.insecureSkipVerify", ""),
		exact("spec.trafficPolicy.portLevelSettings[].port.number", ""),
		as("spec.trafficPolicy.portLevelSettings[]", "spec.trafficPolicy"),
		told(TunnelRefused),
		told(ProxyProtocolRefused),
		told(RetryBudget),

		exact("spec.subsets[].{name,labels.*}", ""),
		as("spec.subsets[].trafficPolicy", "spec.trafficPolicy"),
		exact("spec.exportTo[]", ""),
		exact("spec.workloadSelector.matchLabels.*", ""),
	},
}
