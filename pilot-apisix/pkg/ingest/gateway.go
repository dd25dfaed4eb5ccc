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
	"cmp"
	"net/http"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/config/constants"
	"istio.io/istio/pkg/config/gateway"
	"istio.io/istio/pkg/config/protocol"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// firstUnprivilegedPort is the first one that needs no privilege.
const firstUnprivilegedPort = 1024

// gatewayBuilder makes what a proxy of type router does. It follows pilot/pkg/networking/core/gateway.go.
type gatewayBuilder struct {
	*builder
	merged *model.MergedGateway
	out    *ir.Gateway
	// listeners are those of out, by their ports.
	listeners map[int]*ir.Listener
	// names are the server names of a port that have a server.
	names map[int]map[string]struct{}
	// tls are the settings of server names, on whatever port.
	tls []tlsName
	// denied says that a policy lets nobody in.
	denied bool
}

// gateway makes the configuration of a router.
func (b *builder) gateway() {
	g := gatewayBuilder{
		builder: b, merged: b.in.Proxy.MergedGateway, out: &ir.Gateway{}, listeners: map[int]*ir.Listener{}, names: map[int]map[string]struct{}{},
	}
	b.config.Gateway = g.out
	g.denied = g.policies()
	g.catchAll()
	b.meshConfig()
	g.topology()
	for _, src := range envoyFilters(b.in) {
		b.diagnose(fidelity.EnvoyFilterNotCarried.At(src, ""))
	}
	if g.merged == nil {
		return
	}
	for _, p := range g.merged.ServerPorts {
		g.port(p)
	}
	if len(g.merged.MergedQUICTransportServers) > 0 {
		b.diagnose(fidelity.HTTP3NotCarried.At(b.config.CatchAll.Source, ""))
	}
	for _, l := range g.listeners {
		if len(l.Mutual) > 0 {
			l.Others = g.others(l)
		}
		g.out.Listeners = append(g.out.Listeners, *l)
	}
	slices.SortFunc(g.out.Listeners, func(x, y ir.Listener) int { return cmp.Compare(x.Port, y.Port) })
	g.tlsServers()
	slices.SortStableFunc(b.config.VirtualHosts, func(x, y *ir.VirtualHost) int {
		return cmp.Or(cmp.Compare(x.Port, y.Port), cmp.Compare(x.Name, y.Name), compareServerNames(x.ServerNames, y.ServerNames))
	})
	sortTCPRoutes(b.config.TCP)
}

func compareServerNames(x, y *ir.ServerNames) int {
	if x == nil || y == nil {
		return 0
	}
	return slices.Compare(x.Names, y.Names)
}

// catchAll answers what no virtual host takes.
func (g *gatewayBuilder) catchAll() {
	src := ir.Source{Kind: "Gateway", Namespace: g.in.Proxy.ConfigNamespace, Name: g.in.Proxy.ID}
	if g.merged != nil && len(g.merged.ServerPorts) > 0 {
		if servers := g.merged.MergedServers[g.merged.ServerPorts[0]]; servers != nil && len(servers.Servers) > 0 {
			src = gatewaySource(g.merged.GatewayNameForServer[servers.Servers[0]])
		}
	}
	answer := &ir.DirectResponse{Status: http.StatusNotFound}
	if g.denied {
		answer = denied
	}
	g.config.CatchAll = &ir.Route{Name: "not-found", DirectResponse: answer, Source: src}
}

// port lays out the servers of a port. Those of other protocols, or for another address, may follow.
func (g *gatewayBuilder) port(p model.ServerPort) {
	servers := g.merged.MergedServers[p]
	number := int(p.Number)
	if servers == nil || len(servers.Servers) == 0 || !validPort(number) || number < firstUnprivilegedPort && g.in.Proxy.IsUnprivileged() {
		return
	}
	if protocol.Parse(p.Protocol).IsHTTP() {
		list := g.merged.ServersByRouteName[servers.RouteName]
		if len(list) > 0 && g.open(number, ir.ListenHTTP, list[0]) && !g.denied {
			g.http(number, list, nil)
		}
		return
	}
	for _, s := range servers.Servers {
		switch {
		case gateway.IsHTTPSServerWithTLSTermination(s):
			g.https(number, s)
		case s.Tls == nil:
			g.plainTCP(number, s)
		case gateway.IsPassThroughServer(s):
			g.passthrough(number, s)
		default:
			g.terminatedTCP(number, s)
		}
	}
}

// open opens the port for a server, unless it is open for something that does not go together with it.
func (g *gatewayBuilder) open(port int, p ir.ListenerProtocol, s *networking.Server) bool {
	if strings.HasPrefix(s.Bind, model.UnixAddressPrefix) {
		g.tell(fidelity.GatewayUnixBind, s, "%s", s.Bind)
		return false
	}
	l := g.listeners[port]
	switch {
	case l == nil:
		g.listeners[port] = &ir.Listener{Port: port, Bind: s.Bind, Protocol: p, Source: g.source(s)}
	case l.Bind != s.Bind:
		g.tell(fidelity.GatewayBinds, s, "port %d is open at %s for %s", port, cmp.Or(l.Bind, "every address"), l.Source)
		return false
	case l.Protocol != p:
		g.tell(fidelity.GatewayMixedPort, s, "port %d is open as %s for %s", port, l.Protocol, l.Source)
		return false
	}
	return true
}

// tell makes a diagnostic of a server.
func (g *gatewayBuilder) tell(e *fidelity.Entry, s *networking.Server, detail string, args ...any) {
	args = append([]any{s.GetPort().GetNumber(), strings.Join(s.Hosts, ", ")}, args...)
	g.diagnose(e.At(g.source(s), "server on port %d for %s: "+detail, args...))
}

// source is the Gateway of a server. Which of its servers it is has been lost when Istio merged them.
func (g *gatewayBuilder) source(s *networking.Server) ir.Source {
	return gatewaySource(g.merged.GatewayNameForServer[s]).At("spec.servers")
}

// gatewaySource is the object that a gateway of Istio's was made from: itself, or one of the Gateway API.
func gatewaySource(name string) ir.Source {
	namespace, name, _ := strings.Cut(name, "/")
	name, _, _ = strings.Cut(name, "~"+constants.KubernetesGatewayName+"~")
	return ir.Source{Kind: "Gateway", Namespace: namespace, Name: name}
}
