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
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/host"

	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// hostGroup is what gets the same routes on one port: services, and hosts of a VirtualService which are no services.
type hostGroup struct {
	services    []*model.Service
	hosts       []string
	routes      []ir.Route
	source      ir.Source
	diagnostics []ir.Diagnostic
}

// buildPort adds the virtual hosts of a port. It follows BuildSidecarOutboundVirtualHosts: VirtualServices first, in
// their order, then the services that have none; a domain belongs to the first one that claims it.
func (b *builder) buildPort(l listener) {
	registry := make(map[host.Name]*model.Service, len(l.egress.Services()))
	for _, svc := range l.egress.Services() {
		if _, has := svc.Ports.GetByPort(l.port); has {
			registry[host.Name(strings.ToLower(string(svc.Hostname)))] = svc
		}
	}
	virtualServices := l.egress.VirtualServices()
	if l.port != 80 {
		// Port 80 serves the hosts of a VirtualService even if they are no services, as with Envoy.
		virtualServices = selectVirtualServices(virtualServices, registry)
	}
	groups := make([]hostGroup, 0, len(registry))
	wildcards := l.egress.MostSpecificWildcardVirtualServiceIndex()
	for _, vs := range virtualServices {
		if g, ok := b.virtualServiceGroup(vs, registry, l.port, wildcards); ok {
			groups = append(groups, g)
		}
	}
	for i := range groups {
		for _, svc := range groups[i].services {
			delete(registry, host.Name(strings.ToLower(string(svc.Hostname))))
		}
	}
	rest := make([]*model.Service, 0, len(registry))
	for _, svc := range registry {
		if p, _ := svc.Ports.GetByPort(l.port); p.Protocol.IsHTTPOrSniffed() && svc.Resolution != model.Alias {
			rest = append(rest, svc)
		}
	}
	slices.SortFunc(rest, func(x, y *model.Service) int {
		return cmp.Or(cmp.Compare(x.Hostname, y.Hostname), cmp.Compare(x.Attributes.Namespace, y.Attributes.Namespace))
	})
	for _, svc := range rest {
		groups = append(groups, b.serviceGroup(svc, l.port))
	}
	b.addVirtualHosts(groups, l.port)
}

// addVirtualHosts turns the groups of a port into virtual hosts with distinct domains.
func (b *builder) addVirtualHosts(groups []hostGroup, port int) {
	d := newDomains(b.in.Proxy, groups)
	first := len(b.config.VirtualHosts)
	// One allocation for all: they live and die together.
	hosts := make([]ir.VirtualHost, 0, len(groups))
	b.config.VirtualHosts = slices.Grow(b.config.VirtualHosts, len(groups))
	var domains []string
	for i := range groups {
		g := &groups[i]
		domains = domains[:0]
		// The name is that of a host which got domains here, so that no other virtual host of the port has it; rather a
		// service's than another host's.
		name, nameIsService := "", false
		for _, h := range g.hosts {
			n := len(domains)
			if domains = d.ofHost(domains, strings.ToLower(h)); name == "" && len(domains) > n {
				name = strings.ToLower(h)
			}
		}
		for _, svc := range g.services {
			n := len(domains)
			if domains = d.ofService(domains, svc); !nameIsService && len(domains) > n {
				name, nameIsService = string(svc.Hostname), true
			}
		}
		if len(domains) == 0 {
			b.diagnoseAll(g.diagnostics)
			continue
		}
		slices.Sort(domains)
		hosts = append(hosts, ir.VirtualHost{
			Port: port, Name: name, Domains: slices.Clone(domains), Routes: g.routes, Source: g.source, Diagnostics: g.diagnostics,
		})
		b.config.VirtualHosts = append(b.config.VirtualHosts, &hosts[len(hosts)-1])
	}
	slices.SortStableFunc(b.config.VirtualHosts[first:], func(x, y *ir.VirtualHost) int { return cmp.Compare(x.Name, y.Name) })
}

// serviceGroup is a service without a VirtualService: everything goes to its cluster.
func (b *builder) serviceGroup(svc *model.Service, port int) hostGroup {
	src := serviceSource(svc)
	cluster := b.want(clusterKey{host: svc.Hostname, port: port})
	return hostGroup{
		services: []*model.Service{svc},
		routes: []ir.Route{{
			Name:         "default",
			Destinations: []ir.Destination{{Cluster: cluster}},
			Retries:      b.retries(nil, false),
			Source:       src,
		}},
		source: src,
	}
}

// virtualServiceGroup is what vs means on a port, and false when it means nothing there.
func (b *builder) virtualServiceGroup(vs *config.Config, registry map[host.Name]*model.Service, port int, wildcards wildcardIndex) (hostGroup, bool) {
	hosts, matching := separateHosts(vs, registry, wildcards)
	if model.UseGatewaySemantics(*vs) {
		// A route of the Gateway API binds consumers in its own namespace, or producers' services.
		matching = slices.DeleteFunc(matching, func(s *model.Service) bool {
			return s.Attributes.Namespace != vs.Namespace && b.in.Proxy.ConfigNamespace != vs.Namespace
		})
		if len(matching) == 0 {
			return hostGroup{}, false
		}
	}
	http := matching[:0]
	for _, svc := range matching {
		if p, _ := svc.Ports.GetByPort(port); p.Protocol.IsHTTPOrSniffed() {
			http = append(http, svc)
		}
	}
	if len(http) == 0 && port != 80 {
		return hostGroup{}, false
	}
	r := routeBuilder{
		builder: b, vs: vs, spec: vs.Spec.(*networking.VirtualService), port: port, source: virtualServiceSource(vs), registry: registry,
	}
	r.build()
	if r.routes == nil {
		// No rule is for this proxy: its services keep their default routes.
		b.diagnoseAll(r.diagnostics)
		return hostGroup{}, false
	}
	return hostGroup{services: http, hosts: hosts, routes: r.routes, source: r.source, diagnostics: r.diagnostics}, true
}
