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
	"maps"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/host"

	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// clientCertHeader tells servers of a client's certificate; nobody but the gateway may say what is in it.
const clientCertHeader = "x-forwarded-client-cert"

// httpsRedirect is what a server with that setting does to every request in plain text.
const httpsRedirectCode = 301

// gatewayHost is a virtual host of a gateway in the making.
type gatewayHost struct {
	routes []ir.Route
	// parts name the VirtualServices that the routes are from.
	parts []string
	// redirect sends every request to HTTPS.
	redirect bool
	source   ir.Source
}

// same says that two hosts can share their routes.
func (h *gatewayHost) same(o *gatewayHost) bool {
	return h.redirect == o.redirect && slices.Equal(h.parts, o.parts)
}

// http adds the virtual hosts of servers that share a table of routes (buildGatewayHTTPRouteConfig). Names are those of the
// connections that the table is for; nil for plain text.
func (g *gatewayBuilder) http(port int, servers []*networking.Server, names *ir.ServerNames) {
	hosts := map[string]*gatewayHost{}
	routes := map[string][]ir.Route{}
	for _, s := range servers {
		name := g.merged.GatewayNameForServer[s]
		for _, vs := range g.in.Push.VirtualServicesForGateway(g.in.Proxy.ConfigNamespace, name) {
			serverHosts := host.NamesForNamespace(s.Hosts, vs.Namespace)
			common := serverHosts.Intersection(host.NewNames(vs.Spec.(*networking.VirtualService).Hosts))
			if len(common) == 0 {
				continue
			}
			key := name + " " + vs.Namespace + "/" + vs.Name
			if _, made := routes[key]; !made {
				routes[key] = g.routes(vs, name, s)
			}
			if routes[key] == nil {
				// No rule is for this gateway.
				continue
			}
			for _, h := range common {
				domain := strings.ToLower(string(h))
				if hosts[domain] == nil {
					hosts[domain] = &gatewayHost{source: virtualServiceSource(vs)}
				}
				next := hosts[domain]
				next.routes, next.parts = append(next.routes, routes[key]...), append(next.parts, key)
				next.redirect = next.redirect || s.GetTls().GetHttpsRedirect()
			}
		}
		if s.GetTls().GetHttpsRedirect() {
			g.redirectHosts(hosts, s)
		}
	}
	g.addGatewayHosts(port, hosts, names)
}

// redirectHosts redirects all hosts of a server, also those that no VirtualService has.
func (g *gatewayBuilder) redirectHosts(hosts map[string]*gatewayHost, s *networking.Server) {
	for _, h := range s.Hosts {
		if strings.Contains(h, "/") {
			// Envoy is given the name with its namespace, which no client sends.
			continue
		}
		h = strings.ToLower(h)
		if hosts[h] == nil {
			hosts[h] = &gatewayHost{source: g.source(s)}
		}
		hosts[h].redirect = true
	}
}

// addGatewayHosts puts hosts with the same routes together.
func (g *gatewayBuilder) addGatewayHosts(port int, hosts map[string]*gatewayHost, names *ir.ServerNames) {
	var list []*ir.VirtualHost
	var made []*gatewayHost
	for _, domain := range slices.Sorted(maps.Keys(hosts)) {
		h := hosts[domain]
		if i := slices.IndexFunc(made, h.same); i >= 0 && len(h.parts) > 0 {
			list[i].Domains = append(list[i].Domains, domain)
			continue
		}
		vh := &ir.VirtualHost{Port: port, Name: domain, Domains: []string{domain}, ServerNames: names, Routes: sortCatchAll(h.routes), Source: h.source}
		if h.redirect && names == nil {
			vh.Routes = []ir.Route{{
				Name: "https-redirect", Redirect: &ir.Redirect{Code: httpsRedirectCode, Scheme: "https"}, Source: h.source,
			}}
		}
		list, made = append(list, vh), append(made, h)
	}
	g.config.VirtualHosts = append(g.config.VirtualHosts, list...)
}

// sortCatchAll puts routes for everything behind the others (SortVHostRoutes): they may come from several VirtualServices.
func sortCatchAll(routes []ir.Route) []ir.Route {
	out := slices.Clone(routes)
	slices.SortStableFunc(out, func(x, y ir.Route) int {
		rank := func(r *ir.Route) int {
			if catchAll(&r.Match) {
				return 1
			}
			return 0
		}
		return cmp.Compare(rank(&x), rank(&y))
	})
	return out
}

// routes are those of a VirtualService for a gateway; nil when no rule is for it.
func (g *gatewayBuilder) routes(vs *config.Config, gatewayName string, s *networking.Server) []ir.Route {
	r := routeBuilder{
		builder: g.builder, vs: vs, spec: vs.Spec.(*networking.VirtualService), port: int(s.Port.Number), source: virtualServiceSource(vs),
		gateway: gatewayName, tls: s.Tls != nil,
	}
	r.registry = g.destinations(vs)
	r.build()
	g.diagnoseAll(r.diagnostics)
	for i := range r.routes {
		if headers := &r.routes[i].Headers.Request; len(r.routes[i].Destinations) > 0 && !slices.Contains(headers.Remove, clientCertHeader) {
			headers.Remove = append([]string{clientCertHeader}, headers.Remove...)
		}
	}
	return r.routes
}

// destinations are the services that a VirtualService leads to (buildNameToServiceMapForHTTPRoutes).
func (g *gatewayBuilder) destinations(vs *config.Config) map[host.Name]*model.Service {
	out := map[host.Name]*model.Service{}
	add := func(d *networking.Destination) {
		name := host.Name(d.GetHost())
		if name == "" || out[name] != nil {
			return
		}
		svc := g.in.Push.ServiceIndex.HostnameAndNamespace[name][vs.Namespace]
		if svc == nil || !g.in.Push.IsServiceVisible(svc, g.in.Proxy.ConfigNamespace) {
			svc = g.in.Push.ServiceForHostname(g.in.Proxy, name)
		}
		if svc != nil {
			out[name] = svc
		}
	}
	for _, rule := range vs.Spec.(*networking.VirtualService).Http {
		add(rule.GetMirror())
		for _, m := range rule.GetMirrors() {
			add(m.GetDestination())
		}
		for _, d := range rule.GetRoute() {
			add(d.GetDestination())
		}
	}
	return out
}
