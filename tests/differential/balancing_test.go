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
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/schema/gvk"
)

// balancedHost is the host of the services whose load balancers are compared.
const balancedHost = "x.example"

// TestBalancers compares, for random services with random DestinationRules, what is to choose from and how. Calls to random
// configurations seldom come upon a locality that matters. DIFF_BALANCERS says how many.
func TestBalancers(t *testing.T) {
	seen := map[string]int{}
	for seed := range environment(t, "DIFF_BALANCERS", 300) {
		r := &random{Rand: rand.New(rand.NewPCG(seed, 1)), names: int(seed)}
		s := r.balanced()
		l := &lab{T: t}
		x, err := s.generate(l)
		if err != nil {
			t.Fatal(err)
		}
		for id, c := range x.apisix.clusters {
			if c.Host != balancedHost || len(c.Endpoints) == 0 {
				continue
			}
			if want, got := x.envoyEndpoints(c.Name), x.apisix.endpoints(id); want != got {
				t.Errorf("seed %d: %s\nEnvoy: %s\nours:  %s\n%v", seed, c.Name, want, got, s)
			}
			if want, got := x.envoyPolicy(c.Name), x.apisix.policies[id]; want != got && x.clusterCode(c.Name, policyCodes) == "" {
				t.Errorf("seed %d: %s\nEnvoy: %s\nours:  %s\n%v", seed, c.Name, want, got, s)
			}
			for _, e := range c.Endpoints {
				if e.Priority > 0 {
					seen["priorities"]++
				}
				if e.LocalityWeight > 0 {
					seen["weights"]++
				}
			}
			if c.Outliers != nil {
				seen["outlier detection"]++
			}
			if c.TLS != nil {
				seen["TLS"]++
			}
		}
		l.close()
	}
	for _, what := range []string{"priorities", "weights", "outlier detection", "TLS"} {
		if seen[what] == 0 {
			t.Errorf("there were no %s", what)
		}
	}
}

// balanced is a scenario of one service with subsets, all of which a route leads to.
func (r *random) balanced() *scenario {
	s := &scenario{namespace: "default", labels: map[string]string{"app": "a", "version": "v1"}}
	add := func(o *config.Config) { s.objects = append(s.objects, object{config: o}) }
	se := &networking.ServiceEntry{
		Hosts:      []string{balancedHost},
		Resolution: pick(r, []networking.ServiceEntry_Resolution{networking.ServiceEntry_STATIC, networking.ServiceEntry_STATIC, networking.ServiceEntry_DNS}),
		Ports: []*networking.ServicePort{
			{Number: 80, Name: "http", Protocol: "HTTP"}, {Number: 81, Name: "grpc", Protocol: "GRPC"}, {Number: 82, Name: "http-2", Protocol: "HTTP"},
		},
	}
	for i := range r.times(1, 6) {
		address := fmt.Sprintf("10.1.0.%d", i+1)
		if se.Resolution == networking.ServiceEntry_DNS {
			address = fmt.Sprintf("b%d.test", i+1)
		}
		se.Endpoints = append(se.Endpoints, r.endpoint(address, se.Ports))
	}
	service := r.named(gvk.ServiceEntry, "x", se)
	dns := se.Resolution == networking.ServiceEntry_DNS
	if !dns && r.maybe(4) {
		service.Annotations = map[string]string{"networking.istio.io/traffic-distribution": pick(r, []string{"PreferClose", "PreferSameZone", "PreferSameNode"})}
	}
	add(service)

	// Of names Istio takes all endpoints for those of the first locality when it looks at failoverPriority, and none of a subset's.
	simple := func(p *networking.TrafficPolicy) {
		if s := p.GetLoadBalancer().GetLocalityLbSetting(); dns && s != nil {
			s.FailoverPriority = nil
		}
	}
	dr := &networking.DestinationRule{Host: balancedHost, TrafficPolicy: &networking.TrafficPolicy{}}
	r.balance(dr.TrafficPolicy)
	simple(dr.TrafficPolicy)
	vs := &networking.VirtualService{Hosts: []string{balancedHost}, Http: []*networking.HTTPRoute{{}}}
	for _, port := range []uint32{80, 81, 82} {
		for _, v := range append(slices.Clone(versions), "") {
			vs.Http[0].Route = append(vs.Http[0].Route, &networking.HTTPRouteDestination{
				Destination: &networking.Destination{Host: balancedHost, Subset: v, Port: &networking.PortSelector{Number: port}}, Weight: 1,
			})
		}
	}
	for _, v := range versions {
		p := r.trafficPolicy()
		if p.Tls.GetMode() == networking.ClientTLSSettings_ISTIO_MUTUAL {
			p.Tls = nil
		}
		simple(p)
		dr.Subsets = append(dr.Subsets, &networking.Subset{Name: v, Labels: map[string]string{"version": v}, TrafficPolicy: p})
	}
	dr.Subsets[0].Labels = nil
	add(r.named(gvk.DestinationRule, "x", dr))
	add(r.named(gvk.VirtualService, "x", vs))
	return s
}

func (r *random) named(kind config.GroupVersionKind, name string, spec config.Spec) *config.Config {
	return &config.Config{Meta: config.Meta{GroupVersionKind: kind, Name: name, Namespace: "default", CreationTimestamp: born(1), Domain: domain}, Spec: spec}
}
