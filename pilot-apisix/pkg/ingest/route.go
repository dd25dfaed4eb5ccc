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
	"strconv"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/constants"
	"istio.io/istio/pkg/config/host"
	"istio.io/istio/pkg/config/labels"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// routeBuilder makes the routes of one VirtualService on one port. It follows pilot/pkg/networking/core/route.
type routeBuilder struct {
	*builder
	vs     *config.Config
	spec   *networking.VirtualService
	port   int
	source ir.Source
	// registry has the services of the port, by their names in lower case.
	registry map[host.Name]*model.Service
	// gateway is the one that the routes are for; empty for the mesh itself.
	gateway string
	// tls says that requests come over TLS.
	tls bool

	// routes is nil when no rule is for the proxy, and may be empty when none can ever hold: the hosts are taken all the same.
	routes      []ir.Route
	diagnostics []ir.Diagnostic
}

func (r *routeBuilder) build() {
	for i, rule := range r.spec.Http {
		src := ruleSource(r.vs, i, rule.Name)
		if len(rule.Match) == 0 {
			r.add(rule, nil, src, src)
			return
		}
		for j, m := range rule.Match {
			matchSource := src
			if !model.UseGatewaySemantics(*r.vs) {
				matchSource = src.At("match[" + strconv.Itoa(j) + "]")
			}
			if r.add(rule, m, src, matchSource) {
				// Nothing after a rule that takes everything is ever reached.
				return
			}
		}
	}
}

// add appends the route for one match of a rule, unless it is for other proxies or ports. It reports whether the route
// takes every request.
func (r *routeBuilder) add(rule *networking.HTTPRoute, m *networking.HTTPMatchRequest, ruleSource, src ir.Source) bool {
	if m.GetPort() != 0 && int(m.GetPort()) != r.port || !r.matchesSource(m) {
		return false
	}
	match, ok := r.match(m, src)
	if !ok {
		if r.routes == nil {
			r.routes = []ir.Route{}
		}
		return false
	}
	route := ir.Route{Name: rule.Name, Match: match, Source: src}
	if m.GetName() != "" {
		route.Name += "." + m.Name
	}
	r.action(&route, rule, ruleSource)
	r.routes = append(r.routes, route)
	return catchAll(&route.Match)
}

// catchAll is Istio's own, narrower notion of a match that takes everything (IsCatchAllRoute).
func catchAll(m *ir.Match) bool {
	if !(m.Path == nil || m.Path.Kind == ir.MatchPrefix && m.Path.Value == "/" || m.Path.Kind == ir.MatchRegex && m.Path.Value == ".*") {
		return false
	}
	rest := *m
	rest.Path = nil
	return rest.All()
}

// matchesSource says whether m is for this proxy at all: by gateway, or by the labels and the namespace of the client.
func (r *routeBuilder) matchesSource(m *networking.HTTPMatchRequest) bool {
	if m == nil {
		return true
	}
	if len(m.Gateways) > 0 {
		return slices.Contains(m.Gateways, cmp.Or(r.gateway, constants.IstioMeshGateway))
	}
	return labels.Instance(m.SourceLabels).SubsetOf(r.in.Proxy.Labels) &&
		(m.SourceNamespace == "" || m.SourceNamespace == r.in.Proxy.Metadata.Namespace)
}

func (r *routeBuilder) diagnose(e *fidelity.Entry, src ir.Source, detail string, args ...any) {
	if d := e.At(src, detail, args...); !slices.Contains(r.diagnostics, d) {
		r.diagnostics = append(r.diagnostics, d)
	}
}
