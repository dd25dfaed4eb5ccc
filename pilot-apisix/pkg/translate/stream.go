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

// streamRoutes translates the routes of what is not HTTP. Their conditions are those of Envoy's filter chains, which the router
// of our Lua pack compares in the same way.
func (t *translator) streamRoutes() {
	for i := range t.cfg.TCP {
		r := &t.cfg.TCP[i]
		if r.Match.SNI != "" && !apisix.ValidHost(r.Match.SNI) {
			t.diagnose(fidelity.SNINotCarried, r.Source, "%q", r.Match.SNI)
			continue
		}
		t.streamRoute(r)
	}
}

func (t *translator) streamRoute(r *ir.TCPRoute) {
	m := &r.Match
	route := apisix.StreamRoute{Inbound: r.Inbound, ServerPort: m.Port, ServerAddr: serverAddr(m), SNI: m.SNI}
	switch r.HTTP {
	case ir.DetectHTTP:
		route.HTTP = apisix.HTTPDetect
	case ir.OnlyHTTP:
		route.HTTP = apisix.HTTPOnly
	}
	switch r.Peers.Mode {
	case ir.PeerPermissive:
		route.MTLS = apisix.MTLSPermissive
	case ir.PeerStrict:
		route.MTLS = apisix.MTLSStrict
	}
	if route.HTTP == apisix.HTTPDetect || route.MTLS == apisix.MTLSPermissive {
		route.DetectionTimeout = r.DetectionTimeout
	}
	route.ID = streamRouteID(&route)
	if len(r.Destinations) > 0 {
		// Without an upstream, APISIX closes the connection.
		var plugin apisix.Plugin
		route.UpstreamID, plugin = t.destinations(&ir.Route{Destinations: r.Destinations})
		if plugin != nil {
			route.Plugins = []apisix.Plugin{plugin}
		}
		for _, p := range []apisix.Plugin{meshPeer(r.Peers), meshRBAC(r.Authorization)} {
			if p != nil {
				route.Plugins = append(route.Plugins, p)
			}
		}
		slices.SortFunc(route.Plugins, func(a, b apisix.Plugin) int { return strings.Compare(a.PluginName(), b.PluginName()) })
	}
	t.out.Resources = append(t.out.Resources, t.resource(apisix.StreamRoutes, route.ID, &route, []ir.Source{r.Source}))
}

// serverAddr is an address, or a range of them; empty for all.
func serverAddr(m *ir.TCPMatch) string {
	switch {
	case !m.Address.IsValid():
		return ""
	case m.Address.IsSingleIP():
		return m.Address.Addr().String()
	}
	return m.Address.String()
}

// streamRouteID is made from what makes a route distinct.
func streamRouteID(route *apisix.StreamRoute) string {
	parts := make([]string, 0, 5)
	if route.Inbound {
		parts = append(parts, "inbound")
	} else {
		parts = append(parts, "outbound")
	}
	if route.ServerPort != 0 {
		parts = append(parts, strconv.Itoa(route.ServerPort))
	} else {
		parts = append(parts, "any")
	}
	if route.ServerAddr != "" {
		parts = append(parts, route.ServerAddr)
	}
	if route.SNI != "" {
		parts = append(parts, "sni", route.SNI)
	}
	return apisix.ID(parts...)
}
