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

package simulate

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// streamRouter finds stream routes as the router of our Lua pack does, in the place of APISIX's own.
type streamRouter struct {
	inbound, outbound map[int]*streamPort
}

// streamPort are the routes of a port.
type streamPort struct {
	addresses map[netip.Addr]*streamGroup
	// ranges are sorted by falling length.
	ranges []streamRange
	any    *streamGroup
}

type streamRange struct {
	prefix netip.Prefix
	group  *streamGroup
}

// streamGroup are the routes of a port and address.
type streamGroup struct {
	names map[string]*streamRoute
	rest  *streamRoute
}

func newStreamRouter(routes map[string]*streamRoute) *streamRouter {
	r := &streamRouter{inbound: map[int]*streamPort{}, outbound: map[int]*streamPort{}}
	ids := make([]string, 0, len(routes))
	for id := range routes {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		r.add(routes[id])
	}
	for _, direction := range []map[int]*streamPort{r.inbound, r.outbound} {
		for _, p := range direction {
			slices.SortStableFunc(p.ranges, func(a, b streamRange) int { return cmp.Compare(b.prefix.Bits(), a.prefix.Bits()) })
		}
	}
	return r
}

func (r *streamRouter) add(route *streamRoute) {
	direction := r.outbound
	if route.inbound {
		direction = r.inbound
	}
	port := direction[route.port]
	if port == nil {
		port = &streamPort{addresses: map[netip.Addr]*streamGroup{}}
		direction[route.port] = port
	}
	g := port.groupOf(route)
	if route.sni == "" {
		if g.rest == nil {
			g.rest = route
		}
		return
	}
	if g.names == nil {
		g.names = map[string]*streamRoute{}
	}
	if g.names[route.sni] == nil {
		g.names[route.sni] = route
	}
}

// groupOf is the group of a route's address, which is made if there is none.
func (p *streamPort) groupOf(route *streamRoute) *streamGroup {
	switch {
	case route.address.IsValid():
		g := p.addresses[route.address]
		if g == nil {
			g = &streamGroup{}
			p.addresses[route.address] = g
		}
		return g
	case route.prefix.IsValid():
		if i := slices.IndexFunc(p.ranges, func(r streamRange) bool { return r.prefix == route.prefix }); i >= 0 {
			return p.ranges[i].group
		}
		p.ranges = append(p.ranges, streamRange{route.prefix, &streamGroup{}})
		return p.ranges[len(p.ranges)-1].group
	}
	if p.any == nil {
		p.any = &streamGroup{}
	}
	return p.any
}

// match is the route of a connection, or nil, and how it was found; or that the connection waits for the client to speak.
func (r *streamRouter) match(in *Connection, why *reasons) (route *streamRoute, waits bool) {
	direction, name := r.outbound, "outbound"
	if in.Inbound {
		direction, name = r.inbound, apisix.Inbound
	}
	port := direction[int(in.Destination.Port())]
	if port == nil {
		why.add("no %s route has the port %d", name, in.Destination.Port())
		if port = direction[0]; port == nil {
			return nil, false
		}
	}
	g := port.group(in.Destination.Addr(), why)
	switch {
	case g == nil:
		return nil, false
	case len(g.names) == 0:
		return g.rest, false
	case in.ServerFirst:
		why.add("the routes go by the server name, and the client waits for the server")
		return nil, true
	}
	return g.route(asciiLower(in.SNI), why), false
}

// route is the one for a server name in lower case; a client that speaks no TLS has none.
func (g *streamGroup) route(sni string, why *reasons) *streamRoute {
	if route := g.names[sni]; route != nil && sni != "" {
		why.add("the server name is %s", quote(sni))
		return route
	}
	for i := strings.IndexByte(sni, '.'); i >= 0; {
		if route := g.names["*"+sni[i:]]; route != nil {
			why.add("the server name %s is below %s", quote(sni), quote(sni[i+1:]))
			return route
		}
		next := strings.IndexByte(sni[i+1:], '.')
		if next < 0 {
			break
		}
		i += 1 + next
	}
	if route := g.names["*"]; route != nil && sni != "" {
		return route
	}
	why.add("no route is for the server name %s", quote(sni))
	return g.rest
}

func (p *streamPort) group(address netip.Addr, why *reasons) *streamGroup {
	if g := p.addresses[address]; g != nil {
		why.add("the address is %s", address)
		return g
	}
	for _, r := range p.ranges {
		if r.prefix.Contains(address) {
			why.add("the address %s is in %s", address, r.prefix)
			return r.group
		}
	}
	if p.any == nil {
		why.add("no route of the port is for the address %s", address)
	}
	return p.any
}
