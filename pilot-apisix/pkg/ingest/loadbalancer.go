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

// loadBalancer reads a load balancer as applyLoadBalancer does: the simple algorithm, with least request for the default,
// and a consistent hash on top of it, which replaces it. The locality settings belong to the endpoints.
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
	case networking.LoadBalancerSettings_PASSTHROUGH:
		b.cluster.OriginalDst = true
	default:
		out.Policy = ir.LeastRequest
	}
	if ch := lb.GetConsistentHash(); ch != nil {
		b.consistentHash(ch, src.At("consistentHash"))
	}
	if out.Policy == ir.RoundRobin || out.Policy == ir.LeastRequest {
		out.Warmup = warmup(lb)
	}
	if lb.GetZoneAwareLbSetting() != nil {
		b.diagnose(fidelity.ZoneAwareLB, src.At("zoneAwareLbSetting"), "")
	}
}

// warmup is Envoy's slow start with the defaults that Istio (setWarmup) or Envoy gives it.
func warmup(lb *networking.LoadBalancerSettings) *ir.Warmup {
	out := ir.Warmup{Aggression: 1, MinimumPercent: 10}
	if w := lb.GetWarmup(); w != nil {
		out.Duration = w.Duration.AsDuration()
		if a := w.Aggression; a != nil {
			out.Aggression = a.Value
		}
		if m := w.MinimumPercent; m != nil {
			out.MinimumPercent = m.Value
		}
	} else {
		out.Duration = lb.GetWarmupDurationSecs().AsDuration()
	}
	if out.Duration <= 0 {
		return nil
	}
	return &out
}

// maxRingSize is the most points that our balancer puts on a ring: each worker process makes its own.
const maxRingSize = 65536

// consistentHash reads the key (ConsistentHashToHashPolicy) and the size of the ring.
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
	size := ch.GetRingHash().GetMinimumRingSize()
	if ch.HashAlgorithm == nil {
		size = ch.MinimumRingSize //nolint:staticcheck // deprecated, and still honoured by Istio
	}
	out.RingSize = int(min(size, maxRingSize))
	if ch.GetMaglev() != nil || size > maxRingSize {
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
