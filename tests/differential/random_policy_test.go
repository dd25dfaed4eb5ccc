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

package differential

import (
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/api/type/v1beta1"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/schema/gvk"
)

func (r *random) destinationRule() (config.GroupVersionKind, proto.Message) {
	dr := &networking.DestinationRule{Host: pick(r, r.hosts), ExportTo: pick(r, exports)}
	switch r.IntN(8) {
	case 0:
		dr.Host = pick(r, []string{"*.example", "a", "*.svc.cluster.local"})
	case 1:
		dr.WorkloadSelector = &v1beta1.WorkloadSelector{MatchLabels: map[string]string{"app": pick(r, []string{"a", "b"})}}
	}
	for _, v := range versions {
		if r.maybe(8) {
			continue
		}
		s := &networking.Subset{Name: v, Labels: map[string]string{"version": v}}
		if r.maybe(5) {
			s.TrafficPolicy = r.trafficPolicy()
		}
		dr.Subsets = append(dr.Subsets, s)
	}
	if r.maybe(2) {
		dr.TrafficPolicy = r.trafficPolicy()
	}
	return gvk.DestinationRule, dr
}

func (r *random) trafficPolicy() *networking.TrafficPolicy {
	out := &networking.TrafficPolicy{}
	if r.maybe(10) {
		out.Tls = r.clientTLS()
	}
	switch r.IntN(5) {
	case 0:
		out.LoadBalancer = &networking.LoadBalancerSettings{LbPolicy: &networking.LoadBalancerSettings_Simple{
			Simple: pick(r, []networking.LoadBalancerSettings_SimpleLB{networking.LoadBalancerSettings_ROUND_ROBIN, networking.LoadBalancerSettings_RANDOM}),
		}}
	case 1:
		out.LoadBalancer = &networking.LoadBalancerSettings{LbPolicy: &networking.LoadBalancerSettings_ConsistentHash{
			ConsistentHash: &networking.LoadBalancerSettings_ConsistentHashLB{
				HashKey: &networking.LoadBalancerSettings_ConsistentHashLB_HttpHeaderName{HttpHeaderName: "x-a"},
			},
		}}
	case 2:
		out.ConnectionPool = &networking.ConnectionPoolSettings{Tcp: &networking.ConnectionPoolSettings_TCPSettings{ConnectTimeout: durationpb.New(time.Second)}}
	case 3:
		out.PortLevelSettings = []*networking.TrafficPolicy_PortTrafficPolicy{{
			Port:         &networking.PortSelector{Number: 80},
			LoadBalancer: &networking.LoadBalancerSettings{LbPolicy: &networking.LoadBalancerSettings_Simple{Simple: networking.LoadBalancerSettings_ROUND_ROBIN}},
		}}
	}
	r.balance(out)
	return out
}

// balance adds what only our own balancer carries.
func (r *random) balance(p *networking.TrafficPolicy) {
	// Istio panics over outlier detection of a service whose hosts are resolved for each request.
	if !r.dynamic && r.maybe(4) {
		p.OutlierDetection = r.outlierDetection()
	}
	if r.maybe(6) {
		if p.ConnectionPool == nil {
			p.ConnectionPool = &networking.ConnectionPoolSettings{}
		}
		p.ConnectionPool.Http = &networking.ConnectionPoolSettings_HTTPSettings{
			Http1MaxPendingRequests: int32(r.IntN(3)), Http2MaxRequests: int32(r.IntN(3)), MaxRetries: int32(r.IntN(3)),
		}
		if p.ConnectionPool.Tcp != nil {
			p.ConnectionPool.Tcp.MaxConnections = int32(r.IntN(3))
		}
	}
	if r.maybe(10) {
		p.RetryBudget = &networking.TrafficPolicy_RetryBudget{MinRetryConcurrency: uint32(r.IntN(3))}
		if r.maybe(2) {
			p.RetryBudget.Percent = wrapperspb.Double(0.5)
		}
	}
	if hash := p.LoadBalancer.GetConsistentHash(); hash != nil && r.maybe(2) {
		hash.HashAlgorithm = &networking.LoadBalancerSettings_ConsistentHashLB_RingHash_{
			RingHash: &networking.LoadBalancerSettings_ConsistentHashLB_RingHash{MinimumRingSize: uint64(r.IntN(3) * 100)},
		}
	}
	if !r.maybe(4) {
		return
	}
	if p.LoadBalancer == nil {
		p.LoadBalancer = &networking.LoadBalancerSettings{}
	}
	if r.maybe(2) {
		p.LoadBalancer.Warmup = &networking.WarmupConfiguration{Duration: durationpb.New(time.Minute)}
		if r.maybe(2) {
			p.LoadBalancer.Warmup.Aggression, p.LoadBalancer.Warmup.MinimumPercent = wrapperspb.Double(2), wrapperspb.Double(30)
		}
	}
	if r.maybe(5) {
		p.LoadBalancer.ZoneAwareLbSetting = &networking.ZoneAwareLoadBalancerSetting{}
		return
	}
	s := &networking.LocalityLoadBalancerSetting{}
	switch r.IntN(5) {
	case 0:
		s.Distribute = []*networking.LocalityLoadBalancerSetting_Distribute{{From: "r1/*", To: map[string]uint32{"r1/*": 80, "r2/*": 20}}}
	case 1:
		s.Failover = []*networking.LocalityLoadBalancerSetting_Failover{{From: "r1", To: "r2"}}
	case 2:
		s.FailoverPriority = []string{"version", "topology.kubernetes.io/region"}
	case 3:
		s.Enabled = wrapperspb.Bool(false)
	}
	p.LoadBalancer.LocalityLbSetting = s
}

func (r *random) outlierDetection() *networking.OutlierDetection {
	out := &networking.OutlierDetection{MaxEjectionPercent: int32(r.IntN(3) * 50), MinHealthPercent: int32(r.IntN(2) * 30)}
	if r.maybe(2) {
		out.Consecutive_5XxErrors = wrapperspb.UInt32(uint32(r.IntN(3)))
	}
	if r.maybe(2) {
		out.ConsecutiveGatewayErrors = wrapperspb.UInt32(uint32(r.IntN(3)))
	}
	if r.maybe(3) {
		out.Interval, out.BaseEjectionTime = durationpb.New(time.Second), durationpb.New(400*time.Second)
	}
	if r.maybe(2) {
		out.SplitExternalLocalOriginErrors, out.ConsecutiveLocalOriginFailures = r.maybe(2), wrapperspb.UInt32(uint32(r.IntN(3)))
	}
	return out
}

var imports = [][]string{
	{"*/*"}, {"./*"}, {"*/a.example"}, {"./*", "ns1/*"}, {"*/*.example"}, {"default/*"}, {"~/*"}, {"*/*.svc.cluster.local"}, {"*/b.example", "*/a.default.svc.cluster.local"},
}

func (r *random) sidecar() (config.GroupVersionKind, proto.Message) {
	s := &networking.Sidecar{}
	if r.maybe(3) {
		s.WorkloadSelector = &networking.WorkloadSelector{Labels: map[string]string{"app": pick(r, []string{"a", "b"})}}
	}
	if r.maybe(4) {
		s.Egress = append(s.Egress, &networking.IstioEgressListener{
			Port: &networking.SidecarPort{
				Number: pick(r, []uint32{80, 8080, 9000}), Name: "http", Protocol: pick(r, []string{"HTTP", "HTTP", "HTTP", "GRPC", "TCP", "HTTP_PROXY"}),
			},
			Hosts: pick(r, imports),
		})
	}
	if len(s.Egress) == 0 || !r.maybe(3) {
		s.Egress = append(s.Egress, &networking.IstioEgressListener{Hosts: pick(r, imports)})
	}
	if r.maybe(8) {
		s.Egress[0].CaptureMode = networking.CaptureMode(r.IntN(3))
	}
	if r.maybe(4) {
		r.ingress(s)
	}
	if r.maybe(2) {
		s.OutboundTrafficPolicy = &networking.OutboundTrafficPolicy{Mode: networking.OutboundTrafficPolicy_Mode(r.IntN(2))}
	}
	return gvk.Sidecar, s
}
