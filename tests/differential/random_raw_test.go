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
	"net/netip"
	"slices"

	"google.golang.org/protobuf/proto"

	networking "istio.io/api/networking/v1alpha3"
	security "istio.io/api/security/v1beta1"
	"istio.io/api/type/v1beta1"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/schema/gvk"
)

var rawPorts = []uint32{0, 0, 443, 443, 3306, 80, 7000}

var rawSubnets = [][]string{nil, nil, nil, {"10.4.0.0/24"}, {"10.0.0.0/8"}, {"10.3.0.1", "10.6.0.0/16"}}

// rawRules gives a VirtualService rules for TLS and TCP.
func (r *random) rawRules(vs *networking.VirtualService) {
	for range r.times(0, 2) {
		rule := &networking.TLSRoute{Route: r.rawRoute()}
		for range r.times(1, 2) {
			rule.Match = append(rule.Match, &networking.TLSMatchAttributes{
				SniHosts: some(r, vs.Hosts, 2), Port: pick(r, rawPorts), DestinationSubnets: pick(r, rawSubnets), SourceLabels: r.rawLabels(),
			})
		}
		vs.Tls = append(vs.Tls, rule)
	}
	for range r.times(1, 3) {
		rule := &networking.TCPRoute{Route: r.rawRoute()}
		for range r.times(0, 2) {
			rule.Match = append(rule.Match, &networking.L4MatchAttributes{
				Port: pick(r, rawPorts), DestinationSubnets: pick(r, rawSubnets), SourceLabels: r.rawLabels(),
			})
		}
		vs.Tcp = append(vs.Tcp, rule)
	}
}

func (r *random) rawLabels() map[string]string {
	if r.maybe(4) {
		return map[string]string{"app": pick(r, []string{"a", "b"})}
	}
	return nil
}

func (r *random) rawRoute() []*networking.RouteDestination {
	n := 1
	if r.maybe(3) {
		n = r.times(2, 3)
	}
	var out []*networking.RouteDestination
	for range n {
		d := &networking.RouteDestination{Destination: r.destination()}
		if n > 1 {
			d.Weight = pick(r, []int32{0, 1, 10, 50, 100})
		}
		out = append(out, d)
	}
	return out
}

// ingress gives a Sidecar listeners for what is sent to the workload.
func (r *random) ingress(s *networking.Sidecar) {
	for _, port := range some(r, []uint32{80, 8080, 3306, 9100}, 3) {
		s.Ingress = append(s.Ingress, &networking.IstioIngressListener{
			Port:            &networking.SidecarPort{Number: port, Name: "in", Protocol: pick(r, []string{"HTTP", "TCP", "HTTP2", "GRPC"})},
			DefaultEndpoint: pick(r, []string{"", "127.0.0.1:18080", "0.0.0.0:18081", "[::1]:18082", "unix:///var/run/x.sock"}),
		})
	}
	if r.maybe(3) {
		s.InboundConnectionPool = &networking.ConnectionPoolSettings{Tcp: &networking.ConnectionPoolSettings_TCPSettings{ConnectTimeout: durations[0]}}
	}
}

func (r *random) peerAuthentication() (config.GroupVersionKind, proto.Message) {
	modes := []security.PeerAuthentication_MutualTLS_Mode{
		security.PeerAuthentication_MutualTLS_STRICT, security.PeerAuthentication_MutualTLS_PERMISSIVE, security.PeerAuthentication_MutualTLS_DISABLE,
		security.PeerAuthentication_MutualTLS_UNSET,
	}
	p := &security.PeerAuthentication{Mtls: &security.PeerAuthentication_MutualTLS{Mode: pick(r, modes)}}
	if r.maybe(2) {
		p.Selector = &v1beta1.WorkloadSelector{MatchLabels: map[string]string{"app": pick(r, []string{"a", "b"})}}
		p.PortLevelMtls = map[uint32]*security.PeerAuthentication_MutualTLS{pick(r, []uint32{80, 8080, 9999}): {Mode: pick(r, modes)}}
	}
	return gvk.PeerAuthentication, p
}

// rawTarget is what connections try to meet.
type rawTarget struct {
	port    int
	sni     string
	subnets []string
}

func (f *facts) rawRules(vs *networking.VirtualService) {
	for _, rule := range vs.Tls {
		for _, m := range rule.Match {
			for _, sni := range m.SniHosts {
				f.raw = append(f.raw, rawTarget{int(m.Port), sni, m.DestinationSubnets})
			}
		}
	}
	for _, rule := range vs.Tcp {
		for _, m := range rule.Match {
			f.raw = append(f.raw, rawTarget{int(m.Port), "", m.DestinationSubnets})
		}
	}
}

// connect makes the call one that is not HTTP.
func (f *facts) connect(c *call) {
	c.transport, c.method, c.path, c.host, c.headers = overTCP, "", "", "", nil
	c.port = pick(f.random, f.ports)
	var subnets []string
	if f.maybe(2) {
		c.transport = overTLS
		if !f.maybe(6) {
			c.sni = f.host(pick(f.random, f.hosts))
		}
	}
	if len(f.raw) > 0 && f.maybe(2) {
		target := pick(f.random, f.raw)
		subnets = target.subnets
		if target.port != 0 {
			c.port = target.port
		}
		if target.sni != "" {
			c.transport, c.sni = overTLS, f.host(target.sni)
		}
	}
	switch {
	case len(subnets) > 0 && !f.maybe(4):
		c.address = within(pick(f.random, subnets))
	case len(f.addresses) > 0 && !f.maybe(3):
		c.address = pick(f.random, f.addresses)
	default:
		c.address = elsewhere
	}
}

// within is an address of a range.
func within(subnet string) string {
	p, err := netip.ParsePrefix(subnet)
	if err != nil {
		return subnet
	}
	return p.Addr().Next().Next().String()
}

// arrive makes the call one to the workload.
func (f *facts) arrive(c *call) {
	c.inbound, c.address, c.sni = true, clientIP, ""
	if c.transport == overTLS {
		c.transport = overTCP
	}
	c.port = pick(f.random, slices.Concat(f.ports, f.ingress, []int{9999}))
}
