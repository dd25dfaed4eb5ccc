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

package translate

import (
	"slices"
	"strconv"
	"strings"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// maxNameLength is the "maxLength" of a route's name.
const maxNameLength = 256

// routes translates the virtual hosts. Every route has the URI "/*" and its conditions in vars, so that nothing but the
// priority decides between the routes of a host: APISIX prefers longer paths to higher priorities, Istio the first match.
func (t *translator) routes() {
	for _, h := range t.cfg.VirtualHosts {
		t.virtualHost(h)
	}
	if t.cfg.CatchAll != nil {
		t.catchAll()
	}
}

func (t *translator) virtualHost(h *ir.VirtualHost) {
	hosts, ok := t.hosts(h)
	if !ok {
		return
	}
	port := append([]apisix.Expr{portExpr(h)}, serverNames(h.ServerNames)...)
	where := withRBAC(h, port)
	complete := false
	for i := range h.Routes {
		r := &h.Routes[i]
		t.exprs = append(t.exprs[:0], where...)
		if !t.match(&r.Match, r.Source) {
			continue
		}
		complete = complete || len(t.exprs) == len(where)
		// Counted from the end, so that a rule in front of the others leaves them as they are.
		rank := len(h.Routes) - i
		route := apisix.Route{
			ID:    routeID(h, rank),
			Name:  r.Name,
			Hosts: hosts,
			URI:   "/*",
			Vars:  t.exprs,
		}
		if len(route.Name) > maxNameLength {
			route.Name = ""
		}
		if len(h.Routes) > 1 {
			route.Priority = rank
		}
		if h.Inbound && h.Port == 0 {
			route.Priority = fallbackPriority
		}
		t.rbacPriority(h, &route, rank, hosts, port)
		t.action(&route, r, meshPeer(h.Peers), meshRBAC(h.Authorization))
		t.add(&route, r.Source)
	}
	if !complete {
		t.notFound(h, hosts, where)
	}
}

// portExpr is the condition on the port that the client meant.
func portExpr(h *ir.VirtualHost) apisix.Expr {
	switch {
	case !h.Inbound:
		return apisix.Expr{Var: apisix.VarOriginalDstPort, Op: apisix.OpEqual, Value: strconv.Itoa(h.Port)}
	case h.Port != 0:
		return apisix.Expr{Var: apisix.VarInboundPort, Op: apisix.OpEqual, Value: strconv.Itoa(h.Port)}
	}
	// Any, but there must be one: the variable is empty for what the workload sends.
	return apisix.Expr{Var: apisix.VarInboundPort, Op: apisix.OpMatch, Value: "."}
}

// routeID is that of the route at a rank of a virtual host; rank zero is for what none takes.
func routeID(h *ir.VirtualHost, rank int) string {
	port := strconv.Itoa(h.Port)
	if h.Inbound {
		return apisix.ID("inbound", port, strconv.Itoa(rank))
	}
	if h.ServerNames != nil {
		return apisix.ID("tls", port, h.ServerNames.Names[0], h.Name, strconv.Itoa(rank))
	}
	return apisix.ID(port, h.Name, strconv.Itoa(rank))
}

// action says what happens to the requests of r, after what is done first; nil is nothing.
func (t *translator) action(route *apisix.Route, r *ir.Route, first ...apisix.Plugin) {
	use := func(p apisix.Plugin) {
		if p != nil {
			route.Plugins = append(route.Plugins, p)
		}
	}
	for _, p := range first {
		use(p)
	}
	use(t.headers(r))
	switch {
	case r.Redirect != nil:
		use(t.fault(r))
		use(t.redirect(r))
	case r.DirectResponse != nil:
		use(t.fault(r))
		use(t.directResponse(r))
	default:
		t.forward(route, r, use)
	}
	slices.SortFunc(route.Plugins, func(a, b apisix.Plugin) int { return strings.Compare(a.PluginName(), b.PluginName()) })
}

// forward sends the requests of r to its destinations.
func (t *translator) forward(route *apisix.Route, r *ir.Route, use func(apisix.Plugin)) {
	rewrite, ok := t.rewrite(r)
	if !ok {
		use(rewrite)
		return
	}
	route.EnableWebsocket = true
	use(rewrite)
	use(t.fault(r))
	use(t.cors(r))
	var split apisix.Plugin
	route.UpstreamID, split = t.destinations(r)
	use(split)
	use(t.hash(r))
	use(t.mirrors(r))
	use(t.retry(r))
}

// hosts are the domains in APISIX's form; nil stands for every host.
func (t *translator) hosts(h *ir.VirtualHost) ([]string, bool) {
	if slices.Contains(h.Domains, "*") {
		return nil, true
	}
	if !slices.ContainsFunc(h.Domains, func(d string) bool { return !apisix.ValidHost(d) }) {
		return h.Domains, true
	}
	hosts := make([]string, 0, len(h.Domains))
	for _, d := range h.Domains {
		if apisix.ValidHost(d) {
			hosts = append(hosts, d)
		} else {
			t.diagnose(fidelity.DomainNotCarried, h.Source, "%q", d)
		}
	}
	return hosts, len(hosts) > 0
}

func (t *translator) add(route *apisix.Route, src ir.Source) {
	t.out.Resources = append(t.out.Resources, t.resource(apisix.Routes, route.ID, route, []ir.Source{src}))
}

func (t *translator) diagnose(e *fidelity.Entry, src ir.Source, detail string, args ...any) {
	t.out.routes = append(t.out.routes, e.At(src, detail, args...))
}
