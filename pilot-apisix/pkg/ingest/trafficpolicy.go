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
	"time"

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

// consistentHash reads the key (ConsistentHashToHashPolicy).
func (b *clusterBuilder) consistentHash(ch *networking.LoadBalancerSettings_ConsistentHashLB, src ir.Source) {
	out := &b.cluster.LB
	out.Policy = ir.ConsistentHash
	switch key := ch.HashKey.(type) {
	case *networking.LoadBalancerSettings_ConsistentHashLB_HttpHeaderName:
		out.Hash = &ir.HashKey{On: ir.HashHeader, Name: key.HttpHeaderName}
	case *networking.LoadBalancerSettings_ConsistentHashLB_HttpCookie:
		out.Hash = &ir.HashKey{On: ir.HashOnCookie, Name: key.HttpCookie.GetName(), Cookie: hashCookie(key.HttpCookie)}
	case *networking.LoadBalancerSettings_ConsistentHashLB_HttpQueryParameterName:
		out.Hash = &ir.HashKey{On: ir.HashQueryParam, Name: key.HttpQueryParameterName}
	case *networking.LoadBalancerSettings_ConsistentHashLB_UseSourceIp:
		if key.UseSourceIp {
			out.Hash = &ir.HashKey{On: ir.HashSourceIP}
		}
	}
	if ch.HashAlgorithm != nil || ch.GetMinimumRingSize() != 0 { //nolint:staticcheck // deprecated, and still honoured by Istio
		b.diagnose(fidelity.HashTableSize, src, "")
	}
}

// hashCookie is the cookie to make, which one with a time to live asks for.
func hashCookie(c *networking.LoadBalancerSettings_ConsistentHashLB_HTTPCookie) *ir.HashCookie {
	if c.GetTtl() == nil {
		return nil
	}
	out := &ir.HashCookie{TTL: max(c.Ttl.AsDuration(), 0).Truncate(time.Second), Path: c.Path}
	for _, a := range c.Attributes {
		out.Attributes = append(out.Attributes, ir.CookieAttribute{Name: a.GetName(), Value: a.GetValue()})
	}
	return out
}
