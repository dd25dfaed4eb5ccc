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

package ingest

import (
	"google.golang.org/protobuf/proto"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// trafficPolicy applies the merged policy of a DestinationRule.
func (b *clusterBuilder) trafficPolicy(p *networking.TrafficPolicy, src ir.Source) {
	if p == nil {
		return
	}
	b.loadBalancer(p.LoadBalancer, src.At("loadBalancer"))
	b.connectionPool(p.ConnectionPool, src.At("connectionPool"))
	if p.OutlierDetection != nil {
		b.diagnose(fidelity.OutlierDetection, src.At("outlierDetection"), "")
	}
	if p.Tls != nil {
		b.plain = p.Tls.Mode == networking.ClientTLSSettings_DISABLE
		if !b.plain {
			b.diagnose(fidelity.TLSOriginationRefused, src.At("tls.mode"), "%s", p.Tls.Mode)
		}
	}
	if p.RetryBudget != nil {
		b.diagnose(fidelity.RetryBudget, src.At("retryBudget"), "")
	}
	if p.ProxyProtocol != nil {
		b.diagnose(fidelity.ProxyProtocolRefused, src.At("proxyProtocol"), "")
	}
}

// connectionPool takes the connect timeout and tells of the rest.
func (b *clusterBuilder) connectionPool(p *networking.ConnectionPoolSettings, src ir.Source) {
	if p == nil {
		return
	}
	rest := p
	if t := p.GetTcp().GetConnectTimeout(); t != nil {
		b.cluster.ConnectTimeout = t.AsDuration()
		rest = proto.CloneOf(p)
		rest.Tcp.ConnectTimeout = nil
		if proto.Size(rest.Tcp) == 0 {
			rest.Tcp = nil
		}
	}
	if proto.Size(rest) != 0 {
		b.diagnose(fidelity.ConnectionPool, src, "")
	}
}

func (b *clusterBuilder) loadBalancer(lb *networking.LoadBalancerSettings, src ir.Source) {
	if lb == nil {
		return
	}
	out := &b.cluster.LB
	switch lb.GetSimple() {
	case networking.LoadBalancerSettings_ROUND_ROBIN:
		out.Policy = ir.RoundRobin
	case networking.LoadBalancerSettings_RANDOM:
		out.Policy = ir.Random
		b.diagnose(fidelity.LBRandom, src.At("simple"), "")
	case networking.LoadBalancerSettings_PASSTHROUGH:
		b.cluster.OriginalDst = true
	default:
		out.Policy = ir.LeastRequest
	}
	if ch := lb.GetConsistentHash(); ch != nil {
		b.consistentHash(ch, src.At("consistentHash"))
	}
	if s := lb.GetLocalityLbSetting(); s != nil && (s.Enabled == nil || s.Enabled.Value) {
		b.diagnose(fidelity.LocalityLB, src.At("localityLbSetting"), "")
	}
	if lb.GetZoneAwareLbSetting() != nil {
		b.diagnose(fidelity.ZoneAwareLB, src.At("zoneAwareLbSetting"), "")
	}
	if lb.GetWarmup() != nil || lb.GetWarmupDurationSecs() != nil {
		b.diagnose(fidelity.LBWarmup, src.At("warmup"), "")
	}
}

func (b *clusterBuilder) consistentHash(ch *networking.LoadBalancerSettings_ConsistentHashLB, src ir.Source) {
	out := &b.cluster.LB
	out.Policy = ir.ConsistentHash
	switch key := ch.HashKey.(type) {
	case *networking.LoadBalancerSettings_ConsistentHashLB_HttpHeaderName:
		out.HashOn, out.HashKey = ir.HashHeader, key.HttpHeaderName
		b.diagnose(fidelity.HashWithoutKey, src.At("httpHeaderName"), "")
	case *networking.LoadBalancerSettings_ConsistentHashLB_HttpCookie:
		out.HashOn, out.HashKey = ir.HashCookie, key.HttpCookie.GetName()
		b.diagnose(fidelity.HashCookieNotGenerated, src.At("httpCookie"), "")
	case *networking.LoadBalancerSettings_ConsistentHashLB_HttpQueryParameterName:
		out.HashOn, out.HashKey = ir.HashQueryParam, key.HttpQueryParameterName
		b.diagnose(fidelity.HashWithoutKey, src.At("httpQueryParameterName"), "")
	case *networking.LoadBalancerSettings_ConsistentHashLB_UseSourceIp:
		out.HashOn = ir.HashSourceIP
	}
	if ch.HashAlgorithm != nil || ch.GetMinimumRingSize() != 0 { //nolint:staticcheck // deprecated, and still honoured by Istio
		b.diagnose(fidelity.HashTableSize, src, "")
	}
}
