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
	"iter"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/constants"
	"istio.io/istio/pkg/config/host"
	"istio.io/istio/pkg/config/protocol"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// plainTCP forwards the connections to a port.
func (g *gatewayBuilder) plainTCP(port int, s *networking.Server) {
	to, src, found := g.tcpRoute(s)
	if !found {
		return
	}
	if _, taken := g.names[port]["*"]; taken || !g.open(port, ir.ListenTCP, s) {
		return
	}
	g.claim(port, []string{"*"})
	g.addTCP(port, "*", to, src)
}

// terminatedTCP terminates TLS and forwards what is in it.
func (g *gatewayBuilder) terminatedTCP(port int, s *networking.Server) {
	to, src, found := g.tcpRoute(s)
	names := g.claim(port, g.serverNames(s))
	if !found || len(names) == 0 || !g.open(port, ir.ListenTLS, s) {
		return
	}
	if !g.terminate(port, s, names) {
		// Connections for the names must not go to a server for others.
		to = nil
	}
	if s.Tls.Mode == networking.ServerTLSSettings_OPTIONAL_MUTUAL {
		g.tell(fidelity.OptionalMutualTCP, s, "clients need a certificate")
	}
	for _, name := range names {
		g.addTCP(port, name, to, src)
	}
}

// passthrough forwards TLS by the name of its server (buildGatewayNetworkFiltersFromTLSRoutes).
func (g *gatewayBuilder) passthrough(port int, s *networking.Server) {
	if s.Tls.Mode == networking.ServerTLSSettings_AUTO_PASSTHROUGH {
		g.tell(fidelity.AutoPassthroughRefused, s, "the port is not opened for it")
		return
	}
	t := tcpListenerBuilder{builder: g.builder}
	for m, rule := range g.tlsMatches(s) {
		names := lowerNames(m.SniHosts)
		if dup := g.duplicate(port, names); dup != "" {
			g.diagnose(fidelity.DuplicateServerName.At(rule.source, "server on port %d: %q has a server already", port, dup))
			continue
		}
		if !g.open(port, ir.ListenTCP, s) {
			return
		}
		to := t.rawRoute(rule.route, serverPort(s), rule.source)
		for _, name := range g.claim(port, names) {
			g.addTCP(port, name, to, rule.source)
		}
	}
}

// tlsRule is one of a VirtualService.
type tlsRule struct {
	route  []*networking.RouteDestination
	source ir.Source
}

// tlsMatches are the conditions of rules for TLS that hold for a server, in their order.
func (g *gatewayBuilder) tlsMatches(s *networking.Server) iter.Seq2[*networking.TLSMatchAttributes, tlsRule] {
	gatewayName := g.merged.GatewayNameForServer[s]
	return func(yield func(*networking.TLSMatchAttributes, tlsRule) bool) {
		for _, vs := range g.in.Push.VirtualServicesForGateway(g.in.Proxy.ConfigNamespace, gatewayName) {
			if !servesHost(s, vs) {
				continue
			}
			for i, rule := range vs.Spec.(*networking.VirtualService).Tls {
				if len(rule.Route) == 0 {
					continue
				}
				for _, m := range rule.Match {
					if len(m.SniHosts) > 0 && matchesServer(m, s, gatewayName) && !yield(m, tlsRule{rule.Route, rawRuleSource(vs, "tls", i)}) {
						return
					}
				}
			}
		}
	}
}

// tcpRoute is where the first VirtualService that has a rule for the server sends connections
// (buildGatewayNetworkFiltersFromTCPRoutes).
func (g *gatewayBuilder) tcpRoute(s *networking.Server) ([]ir.Destination, ir.Source, bool) {
	t := tcpListenerBuilder{builder: g.builder}
	gatewayName := g.merged.GatewayNameForServer[s]
	for _, vs := range g.in.Push.VirtualServicesForGateway(g.in.Proxy.ConfigNamespace, gatewayName) {
		if !servesHost(s, vs) {
			continue
		}
		spec := vs.Spec.(*networking.VirtualService)
		for i, rule := range spec.Tcp {
			if len(rule.Route) > 0 && matchesAny(rule.Match, s, gatewayName) {
				src := rawRuleSource(vs, "tcp", i)
				return t.rawRoute(rule.Route, serverPort(s), src), src, true
			}
		}
		if !strings.HasPrefix(vs.Annotations[constants.InternalParentNames], "TLSRoute/") {
			continue
		}
		// A TLSRoute of the Gateway API, whose TLS the gateway terminates.
		for i, rule := range spec.Tls {
			if len(rule.Route) > 0 && matchesAny(rule.Match, s, gatewayName) {
				src := rawRuleSource(vs, "tls", i)
				return t.rawRoute(rule.Route, serverPort(s), src), src, true
			}
		}
	}
	return nil, ir.Source{}, false
}

// addTCP adds a route; nothing where a policy lets nobody in, which closes connections.
func (g *gatewayBuilder) addTCP(port int, name string, to []ir.Destination, src ir.Source) {
	if g.denied {
		return
	}
	if name == "*" {
		name = ""
	}
	g.config.TCP = append(g.config.TCP, ir.TCPRoute{Match: ir.TCPMatch{Port: port, SNI: name}, Destinations: to, Source: src})
}

// serverPort is the port that a rule's destinations have when they name none.
func serverPort(s *networking.Server) *model.Port {
	return &model.Port{Name: s.Port.Name, Port: int(s.Port.Number), Protocol: protocol.Parse(s.Port.Protocol)}
}

// servesHost says that a VirtualService has a host of the server (pickMatchingGatewayHosts).
func servesHost(s *networking.Server, vs *config.Config) bool {
	serverHosts := host.NamesForNamespace(s.Hosts, vs.Namespace)
	for _, h := range vs.Spec.(*networking.VirtualService).Hosts {
		for _, of := range serverHosts {
			if of.Matches(host.Name(h)) {
				return true
			}
		}
	}
	return false
}

// matchesAny says that one of the conditions holds for a server, or that there are none (l4MultiMatch).
func matchesAny[M rawMatch](list []M, s *networking.Server, gatewayName string) bool {
	for _, m := range list {
		if matchesServer(m, s, gatewayName) {
			return true
		}
	}
	return len(list) == 0
}

// matchesServer looks at the conditions that a gateway has to look at (l4SingleMatch).
func matchesServer(m rawMatch, s *networking.Server, gatewayName string) bool {
	if m.GetPort() != 0 && m.GetPort() != s.Port.Number {
		return false
	}
	for _, name := range m.GetGateways() {
		if name == gatewayName {
			return true
		}
	}
	return len(m.GetGateways()) == 0
}
