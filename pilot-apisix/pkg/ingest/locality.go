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
	"maps"
	"slices"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/features"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/pkg/networking/core/loadbalancer"
	"istio.io/istio/pilot/pkg/networking/util"

	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// locality is what a cluster's endpoints are ranked and shared by, when there is anything to rank them by.
type locality struct {
	settings loadbalancer.LBSettings
	// failover lets requests go to a lower priority, for which somebody has to notice that an endpoint fails.
	failover bool
	// weighted shares requests among localities.
	weighted bool
}

// locality is nil where all endpoints are alike.
func (b *clusterBuilder) locality() *locality {
	mesh, svc := b.inputs.mesh, b.inputs.service
	if b.cluster.Outliers == nil && !policyMindsLocality(b.policy) && svc.Attributes.TrafficDistribution == model.TrafficDistributionAny &&
		mesh.GetZoneAwareLbSetting() == nil && mesh.GetLocalityLbSetting().GetDistribute() == nil && !features.EnableLocalityWeightedLbConfig {
		// That is most of them.
		return nil
	}
	settings := loadbalancer.GetEffectiveLbSetting(mesh.GetLocalityLbSetting(), mesh.GetZoneAwareLbSetting(), b.policy.GetLoadBalancer(), svc)
	// Of endpoints that istiod gives, a default outlier detection of the mesh does not count (getOutlierDetectionAndLoadBalancerSettings).
	failover := b.policy.GetOutlierDetection() != nil || isDNS(svc) && b.cluster.Outliers != nil
	if settings == nil && features.EnableLocalityWeightedLbConfig {
		settings = loadbalancer.LocalityLBSettings{}
	}
	switch s := settings.(type) {
	case loadbalancer.LocalityLBSettings:
		ranked := s.Setting != nil && (s.Setting.Distribute != nil || failover || s.Force)
		if !ranked && !features.EnableLocalityWeightedLbConfig {
			return nil
		}
		weighted := features.EnableLocalityWeightedLbConfig || s.Setting.Distribute != nil ||
			(s.Force || b.cluster.Outliers != nil) && (s.Setting.Failover != nil || s.Setting.FailoverPriority != nil)
		return &locality{settings: s, failover: failover, weighted: weighted}
	case loadbalancer.ZoneAwareLBSettings:
		if s.ForceFailover() {
			return &locality{settings: s}
		}
	}
	return nil
}

func isDNS(svc *model.Service) bool {
	return svc.Resolution == model.DNSLB || svc.Resolution == model.DNSRoundRobinLB
}

// apply lets Istio set the priorities and weights of the endpoints, of which istio are the originals. It returns those that the
// settings leave, and whether localities share the requests.
func (l *locality) apply(proxy *model.Proxy, list []ir.Endpoint, istio []*model.IstioEndpoint) ([]ir.Endpoint, bool) {
	groups := map[string]*loadbalancer.WrappedLocalityLbEndpoints{}
	index := make(map[*endpoint.LbEndpoint]int, len(list))
	for i := range list {
		weight := uint32(max(list[i].Weight, 0))
		label := istio[i].Locality.Label
		g := groups[label]
		if g == nil {
			g = &loadbalancer.WrappedLocalityLbEndpoints{LocalityLbEndpoints: &endpoint.LocalityLbEndpoints{
				Locality: util.ConvertLocality(label), LoadBalancingWeight: &wrapperspb.UInt32Value{},
			}}
			groups[label] = g
		}
		lb := &endpoint.LbEndpoint{LoadBalancingWeight: wrapperspb.UInt32(weight)}
		index[lb] = i
		g.IstioEndpoints = append(g.IstioEndpoints, istio[i])
		g.LocalityLbEndpoints.LbEndpoints = append(g.LocalityLbEndpoints.LbEndpoints, lb)
		g.LocalityLbEndpoints.LoadBalancingWeight.Value += weight
	}
	assignment := &endpoint.ClusterLoadAssignment{}
	var wrapped []*loadbalancer.WrappedLocalityLbEndpoints
	for _, label := range slices.Sorted(maps.Keys(groups)) {
		wrapped = append(wrapped, groups[label])
		assignment.Endpoints = append(assignment.Endpoints, groups[label].LocalityLbEndpoints)
	}
	own := proxy.Locality
	if own == nil {
		own = &core.Locality{}
	}
	l.settings.ApplyToLoadAssignment(assignment, wrapped, own, proxy.Labels, l.failover)

	out := make([]ir.Endpoint, 0, len(list))
	weighted := l.weighted && severalLocalities(assignment)
	for _, group := range assignment.Endpoints {
		for _, lb := range group.LbEndpoints {
			i := index[lb]
			e := list[i]
			e.Priority = int(group.Priority)
			if weighted {
				e.Locality, e.LocalityWeight = istio[i].Locality.Label, int(group.LoadBalancingWeight.GetValue())
			}
			out = append(out, e)
		}
	}
	return out, weighted
}

// severalLocalities says that some priority has more than one locality, between which weights would decide.
func severalLocalities(a *endpoint.ClusterLoadAssignment) bool {
	seen := map[uint32]bool{}
	for _, group := range a.Endpoints {
		if len(group.LbEndpoints) == 0 {
			continue
		}
		if seen[group.Priority] {
			return true
		}
		seen[group.Priority] = true
	}
	return false
}

// policyMindsLocality says that the policy of a port asks for something by which endpoints may differ.
func policyMindsLocality(p *networking.TrafficPolicy) bool {
	lb := p.GetLoadBalancer()
	return p.GetOutlierDetection() != nil || lb.GetLocalityLbSetting() != nil || lb.GetZoneAwareLbSetting() != nil
}
