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
	LBRandom = entry(ir.Approximated, "LBRandom", "DestinationRule", "spec.trafficPolicy.loadBalancer.simple=RANDOM",
		"RANDOM becomes round robin")
	HashTableSize = entry(ir.Approximated, "HashTableSize", "DestinationRule",
		"spec.trafficPolicy.loadBalancer.consistentHash.{ringHash.**,maglev.**,minimumRingSize}",
		"APISIX chooses the size of its hash ring by itself")
	LBWarmup = entry(ir.NotCarried, "LBWarmup", "DestinationRule", "spec.trafficPolicy.loadBalancer.{warmupDurationSecs,warmup.**}",
		"a new endpoint gets its full share at once")
	LocalityLB = entry(ir.NotCarried, "LocalityLB", "DestinationRule", "spec.trafficPolicy.loadBalancer.localityLbSetting.**",
		"endpoints of all localities are alike")
	ZoneAwareLB = entry(ir.NotCarried, "ZoneAwareLB", "DestinationRule", "spec.trafficPolicy.loadBalancer.zoneAwareLbSetting.**",
		"endpoints of all zones are alike")
	RetryBudget = entry(ir.NotCarried, "RetryBudget", "DestinationRule", "spec.trafficPolicy.retryBudget.**",
		"the number of retries at a time is not limited")
	ConnectionPool = entry(ir.NotCarried, "ConnectionPool", "DestinationRule", "spec.trafficPolicy.connectionPool.**",
		"of the connection pool only tcp.connectTimeout, http.idleTimeout and http.maxRequestsPerConnection have an effect")
	OutlierDetection = entry(ir.NotCarried, "OutlierDetection", "DestinationRule", "spec.trafficPolicy.outlierDetection.**",
		"no endpoint is ejected")
	TLSOriginationRefused = entry(ir.Refused, "TLSOriginationRefused", "DestinationRule",
		"spec.trafficPolicy.tls.mode={SIMPLE,MUTUAL,ISTIO_MUTUAL}",
		"requests are answered with 503, because APISIX would send in plain text what Envoy encrypts; set the mode to DISABLE where that is meant")
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
		told(LBRandom),
		exact("spec.trafficPolicy.loadBalancer.simple=PASSTHROUGH", ""),
		exact("spec.trafficPolicy.loadBalancer.simple=ROUND_ROBIN", ""),
		exact("spec.trafficPolicy.loadBalancer.consistentHash.httpHeaderName", ""),
		exact("spec.trafficPolicy.loadBalancer.consistentHash.httpCookie.{name,path,ttl,attributes[].name,attributes[].value}", ""),
		exact("spec.trafficPolicy.loadBalancer.consistentHash.{useSourceIp,httpQueryParameterName}", ""),
		told(HashTableSize),
		told(LocalityLB),
		told(ZoneAwareLB),
		told(LBWarmup),

		told(ConnectionPool),
		exact("spec.trafficPolicy.connectionPool.tcp.connectTimeout", ""),
		exact("spec.trafficPolicy.connectionPool.http.{maxRequestsPerConnection,idleTimeout}", "by default a connection is closed after a minute without a request"),
		told(OutlierDetection),

		exact("spec.trafficPolicy.tls.mode=DISABLE", ""),
		told(TLSOriginationRefused),
		toldAt("spec.trafficPolicy.tls.{clientCertificate,privateKey,caCertificates,credentialName,subjectAltNames[],sni,insecureSkipVerify,caCrl}",
			TLSOriginationRefused),
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
