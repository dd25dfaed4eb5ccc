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
	"slices"
	"strconv"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/pkg/networking/core"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/constants"
	"istio.io/istio/pkg/config/host"
	"istio.io/istio/pkg/config/labels"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// chains are the filter chains of a service on a port: those of VirtualServices, and where these leave room its own.
func (t *tcpListenerBuilder) chains(svc *model.Service, port *model.Port, bind string, ranges []string) []tcpChain {
	var rules []*config.Config
	for _, vs := range t.raw {
		covers := func(h string) bool { return host.Name(h).Matches(svc.Hostname) }
		if slices.ContainsFunc(vs.Spec.(*networking.VirtualService).Hosts, covers) {
			rules = append(rules, vs)
		}
	}
	if port.Protocol.IsTLS() {
		return t.tlsChains(svc, port, bind, ranges, rules)
	}
	return t.tcpChains(svc, port, ranges, rules)
}

// tlsChains follows buildSidecarOutboundTLSFilterChainOpts.
func (t *tcpListenerBuilder) tlsChains(svc *model.Service, port *model.Port, bind string, ranges []string, rules []*config.Config) []tcpChain {
	var out []tcpChain
	seen := map[string]struct{}{}
	for _, vs := range rules {
		for i, rule := range vs.Spec.(*networking.VirtualService).Tls {
			if len(rule.Route) == 0 {
				continue
			}
			src := rawRuleSource(vs, "tls", i)
			for _, m := range rule.Match {
				if !t.matchesRaw(m, port) {
					continue
				}
				if len(m.DestinationSubnets) > 0 {
					// They stay for the matches that follow, as on Envoy.
					ranges = m.DestinationSubnets
				}
				runtime := strings.Join(m.SniHosts, ",") + "|" + strings.Join(m.DestinationSubnets, ",")
				if _, dup := seen[runtime]; dup {
					continue
				}
				seen[runtime] = struct{}{}
				out = append(out, tcpChain{sni: m.SniHosts, ranges: prefixes(ranges), destinations: t.rawRoute(rule.Route, port, src), source: src})
			}
		}
	}
	if len(out) > 0 {
		return out
	}
	c := t.defaultChain(svc, port, ranges)
	if t.needsSNI(svc, bind, ranges) {
		c.sni = []string{string(svc.Hostname)}
		for _, a := range svc.Attributes.Aliases {
			c.sni = append(c.sni, a.Hostname.String())
			c.sni = append(c.sni, core.GenerateAltVirtualHosts(a.Hostname.String(), 0, t.in.Proxy.DNSDomain)...)
		}
	}
	return []tcpChain{c}
}

// needsSNI says that the address does not tell the service from others, so that only its name does.
func (t *tcpListenerBuilder) needsSNI(svc *model.Service, bind string, ranges []string) bool {
	address := svc.GetAddressForProxy(t.in.Proxy)
	return len(ranges) > 0 || address == "" || strings.Contains(address, "/") ||
		address == constants.UnspecifiedIP && bind == t.wildcard ||
		svc.Hostname.IsWildCarded() && svc.Resolution == model.DynamicDNS
}

// tcpChains follows buildSidecarOutboundTCPFilterChainOpts: the first rule without a condition on addresses ends the list.
func (t *tcpListenerBuilder) tcpChains(svc *model.Service, port *model.Port, ranges []string, rules []*config.Config) []tcpChain {
	var out []tcpChain
	for _, vs := range rules {
		for i, rule := range vs.Spec.(*networking.VirtualService).Tcp {
			if len(rule.Route) == 0 {
				continue
			}
			src := rawRuleSource(vs, "tcp", i)
			if len(rule.Match) == 0 {
				return append(out, tcpChain{ranges: prefixes(ranges), destinations: t.rawRoute(rule.Route, port, src), source: src})
			}
			var subnets []string
			for _, m := range rule.Match {
				if !t.matchesRaw(m, port) {
					continue
				}
				if len(m.DestinationSubnets) == 0 {
					return append(out, tcpChain{ranges: prefixes(ranges), destinations: t.rawRoute(rule.Route, port, src), source: src})
				}
				subnets = append(subnets, m.DestinationSubnets...)
			}
			if len(subnets) > 0 {
				out = append(out, tcpChain{ranges: prefixes(subnets), destinations: t.rawRoute(rule.Route, port, src), source: src})
			}
		}
	}
	// One for the same ranges as a rule's would never be asked.
	if c := t.defaultChain(svc, port, ranges); !slices.ContainsFunc(out, func(o tcpChain) bool { return o.conflictsWith(&c) }) {
		out = append(out, c)
	}
	return out
}

// defaultChain sends everything to the service.
func (t *tcpListenerBuilder) defaultChain(svc *model.Service, port *model.Port, ranges []string) tcpChain {
	number := port.Port
	if len(svc.Ports) == 1 {
		// The port may be one of a Sidecar's listener.
		number = svc.Ports[0].Port
	}
	c := tcpChain{ranges: prefixes(ranges), source: serviceSource(svc)}
	if !t.tunnelled(svc, "") {
		c.destinations = []ir.Destination{{Cluster: t.wantStream(clusterKey{host: svc.Hostname, port: number})}}
	}
	return c
}

// tunnelled says that connections to svc would have to go through a tunnel of HTTP (tunnelingconfig.Apply).
func (t *tcpListenerBuilder) tunnelled(svc *model.Service, subset string) bool {
	if svc == nil {
		return false
	}
	rule := destinationRule(t.in, svc)
	policy := ruleSpec(rule).GetTrafficPolicy()
	if subset != "" {
		policy = findSubset(rule, subset).GetTrafficPolicy()
	}
	if policy.GetTunnel() == nil {
		return false
	}
	cfg := rule.GetRule()
	src := ir.Source{Kind: cfg.GroupVersionKind.Kind, Namespace: cfg.Namespace, Name: cfg.Name}
	t.diagnose(fidelity.TunnelRefused.At(src.At("spec.trafficPolicy.tunnel"), ""))
	return true
}

// rawMatch is what the matches of TLS and TCP have in common.
type rawMatch interface {
	GetGateways() []string
	GetSourceLabels() map[string]string
	GetSourceNamespace() string
	GetPort() uint32
}

// matchesRaw says whether a match is for this proxy and port at all (matchTLS, matchTCP).
func (t *tcpListenerBuilder) matchesRaw(m rawMatch, port *model.Port) bool {
	return (len(m.GetGateways()) == 0 || slices.Contains(m.GetGateways(), constants.IstioMeshGateway)) &&
		labels.Instance(m.GetSourceLabels()).SubsetOf(t.in.Proxy.Labels) &&
		(m.GetPort() == 0 || m.GetPort() == uint32(port.Port)) &&
		(m.GetSourceNamespace() == "" || m.GetSourceNamespace() == t.in.Proxy.Metadata.Namespace)
}

// rawRoute are the destinations of a rule, none when they cannot be reached in the way that is asked for. Those of the same
// cluster become one.
func (t *tcpListenerBuilder) rawRoute(list []*networking.RouteDestination, port *model.Port, src ir.Source) []ir.Destination {
	subset := ""
	if len(list) == 1 {
		subset = list[0].GetDestination().GetSubset()
	}
	if t.tunnelled(t.service(host.Name(list[0].GetDestination().GetHost())), subset) {
		return nil
	}
	out := make([]ir.Destination, 0, len(list))
	for i, d := range list {
		if len(list) > 1 && d.Weight <= 0 {
			continue
		}
		next := ir.Destination{
			Cluster: t.wantStream(t.rawDestination(d.GetDestination(), port, src.At("route["+strconv.Itoa(i)+"].destination"))),
			Weight:  uint32(max(d.Weight, 0)),
		}
		if j := slices.IndexFunc(out, func(o ir.Destination) bool { return o.Cluster == next.Cluster }); j >= 0 {
			out[j].Weight += next.Weight
			continue
		}
		out = append(out, next)
	}
	return out
}

// rawDestination names the cluster of a destination (GetDestinationCluster).
func (t *tcpListenerBuilder) rawDestination(d *networking.Destination, port *model.Port, at ir.Source) clusterKey {
	key := clusterKey{host: host.Name(d.GetHost()), port: port.Port, subset: d.GetSubset()}
	svc := t.service(key.host)
	if svc != nil && svc.Attributes.K8sAttributes.ExternalName != "" {
		key.host = host.Name(svc.Attributes.K8sAttributes.ExternalName)
	}
	switch {
	case d.GetPort().GetNumber() != 0:
		key.port = int(d.Port.Number)
	case svc != nil && len(svc.Ports) == 1:
		key.port = svc.Ports[0].Port
	}
	if why := t.missing(key); why != "" {
		t.diagnose(fidelity.UnknownTCPDestination.At(at, "%s", why))
	}
	return key
}

// rawRuleSource is a rule for TLS or TCP.
func rawRuleSource(vs *config.Config, kind string, i int) ir.Source {
	src := virtualServiceSource(vs)
	if src.Kind != vs.GroupVersionKind.Kind {
		// Istio does not say which rule of the Gateway API's route it was.
		return src
	}
	return src.At("spec." + kind + "[" + strconv.Itoa(i) + "]")
}
