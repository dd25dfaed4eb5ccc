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
	"math/rand/v2"
	"net/netip"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	corev1 "k8s.io/api/core/v1"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/pkg/simulation"
	"istio.io/istio/pkg/ptr"
)

// family is the kind of addresses that a scenario has.
type family int

const (
	onlyIPv4 family = iota
	onlyIPv6
	dualStack
)

// chooseFamily gives every eighth scenario IPv6, alone or beside IPv4. DIFF_FAMILY=1 or 2 gives it to all.
func (s *scenario) chooseFamily(forced family, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 5))
	switch f := r.IntN(16); {
	case forced != onlyIPv4:
		s.family = forced
	case f == 0:
		s.family = onlyIPv6
	case f == 1:
		s.family = dualStack
	}
	if s.family == onlyIPv4 {
		return
	}
	for _, o := range s.objects {
		if o.service != nil {
			s.serviceFamily(o.service)
			continue
		}
		switch spec := o.config.Spec.(type) {
		case *networking.ServiceEntry:
			spec.Addresses = s.inFamily(spec.Addresses)
			for _, e := range spec.Endpoints {
				if s.family == onlyIPv6 || r.IntN(2) == 0 {
					e.Address = inIPv6(e.Address)
				}
			}
		case *networking.WorkloadEntry:
			spec.Address = inIPv6(spec.Address)
		case *networking.VirtualService:
			for _, rule := range spec.Tls {
				for _, m := range rule.Match {
					m.DestinationSubnets = s.inFamily(m.DestinationSubnets)
				}
			}
			for _, rule := range spec.Tcp {
				for _, m := range rule.Match {
					m.DestinationSubnets = s.inFamily(m.DestinationSubnets)
				}
			}
		}
	}
}

func (s *scenario) serviceFamily(svc *corev1.Service) {
	v4 := svc.Spec.ClusterIP
	if v4 == "" || v4 == corev1.ClusterIPNone {
		return
	}
	if s.family == onlyIPv6 {
		svc.Spec.ClusterIP = inIPv6(v4)
		svc.Spec.ClusterIPs, svc.Spec.IPFamilies = []string{svc.Spec.ClusterIP}, []corev1.IPFamily{corev1.IPv6Protocol}
		return
	}
	svc.Spec.ClusterIPs = []string{v4, inIPv6(v4)}
	svc.Spec.IPFamilies = []corev1.IPFamily{corev1.IPv4Protocol, corev1.IPv6Protocol}
	svc.Spec.IPFamilyPolicy = ptr.Of(corev1.IPFamilyPolicyRequireDualStack)
}

// inFamily are addresses and ranges of IPv4 as those that the scenario has.
func (s *scenario) inFamily(list []string) []string {
	var out []string
	for _, a := range list {
		six := inIPv6(a)
		if s.family == dualStack && six != a {
			out = append(out, a)
		}
		out = append(out, six)
	}
	return out
}

// inIPv6 is the address or range of IPv6 that stands for one of IPv4; anything else stays as it is.
func inIPv6(text string) string {
	if p, err := netip.ParsePrefix(text); err == nil && p.Addr().Is4() {
		return netip.PrefixFrom(embedded(p.Addr()), p.Bits()+96).String()
	}
	if a, err := netip.ParseAddr(text); err == nil && a.Is4() {
		return embedded(a).String()
	}
	return text
}

func embedded(a netip.Addr) netip.Addr {
	b, four := netip.MustParseAddr("2001:db8:0:1::").As16(), a.As4()
	copy(b[12:], four[:])
	return netip.AddrFrom16(b)
}

// addresses are those that the scenario has for one of IPv4.
func (s *scenario) addresses(v4 string) []string {
	switch s.family {
	case onlyIPv6:
		return []string{inIPv6(v4)}
	case dualStack:
		return []string{v4, inIPv6(v4)}
	}
	return []string{v4}
}

// useFamily has the calls go to addresses that the scenario has.
func (s *scenario) useFamily(calls []*call, seed uint64) []*call {
	r := rand.New(rand.NewPCG(seed, 6))
	for _, c := range calls {
		if s.family == onlyIPv6 || s.family == dualStack && r.IntN(2) == 0 {
			six := inIPv6(c.address)
			if c.host != "" && c.host == c.address && six != c.address {
				c.host = "[" + six + "]"
			}
			c.address = six
		}
	}
	return calls
}

// ofFamily are the listeners that hear connections to addresses of one family, at one address each. Istio's simulation knows of one address a
// listener, and of IPv4's wildcard only.
func ofFamily(x *simulation.Simulation, six bool) *simulation.Simulation {
	out := *x
	out.Listeners = nil
	for _, l := range x.Listeners {
		if l.Name == model.VirtualInboundListenerName || l.Name == model.VirtualOutboundListenerName {
			out.Listeners = append(out.Listeners, l)
			continue
		}
		addresses := []*corev3.Address{l.Address}
		for _, a := range l.AdditionalAddresses {
			addresses = append(addresses, a.Address)
		}
		for _, a := range addresses {
			socket := a.GetSocketAddress()
			address := socket.GetAddress()
			if strings.Contains(address, ":") != six {
				continue
			}
			if address == "::" {
				address = "0.0.0.0"
			}
			out.Listeners = append(out.Listeners, &listenerv3.Listener{
				Name: l.Name, FilterChains: l.FilterChains, DefaultFilterChain: l.DefaultFilterChain, ListenerFilters: l.ListenerFilters,
				UseOriginalDst: l.UseOriginalDst, BindToPort: l.BindToPort, TrafficDirection: l.TrafficDirection,
				Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
					Address: address, PortSpecifier: socket.GetPortSpecifier(),
				}}},
			})
		}
	}
	return &out
}
