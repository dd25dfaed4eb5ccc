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
	"net/netip"
	"slices"
	"strings"
	"time"

	"istio.io/istio/pilot/pkg/networking/util"
	"istio.io/istio/pkg/config/constants"

	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// tcpRoutes makes the routes of everything that is not HTTP, from listeners which are Istio's.
func (b *builder) tcpRoutes() {
	listeners := b.tcpListeners()
	r := tcpRouter{builder: b, fallback: b.tcpCatchAll(), groups: map[tcpAddress]struct{}{}}
	for _, l := range listeners {
		if !l.wildcard() {
			r.ofAddress(l)
		}
	}
	for _, l := range listeners {
		if l.wildcard() {
			r.ofPort(l)
		}
	}
	// A port that is known only together with addresses: connections to others go where those to unknown ports go.
	http := ir.NoHTTP
	if util.IsAllowAnyDynamicDNSOutbound(b.in.Proxy) {
		http = ir.DetectHTTP
	}
	for _, l := range listeners {
		r.add(tcpAddress{port: l.port}, nil, r.fallback, http)
	}
	r.add(tcpAddress{}, nil, r.fallback, http)
	b.config.TCP = r.routes
}

// sortTCPRoutes puts them into the order of ir.Config.
func sortTCPRoutes(routes []ir.TCPRoute) {
	slices.SortFunc(routes, func(x, y ir.TCPRoute) int {
		if x.Inbound != y.Inbound {
			if y.Inbound {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(x.Match.Port, y.Match.Port), x.Match.Address.Compare(y.Match.Address), cmp.Compare(x.Match.SNI, y.Match.SNI))
	})
}

// tcpAddress is what a connection is looked up by before its server name.
type tcpAddress struct {
	port    int
	address netip.Prefix
}

// tcpRouter lays the filter chains of listeners out as routes of which no two have the same match.
type tcpRouter struct {
	*builder
	// fallback is for connections to nobody in the mesh; nil closes them.
	fallback *tcpChain
	// groups are the addresses that have their routes.
	groups map[tcpAddress]struct{}
	routes []ir.TCPRoute
}

// ofAddress lays out a listener with addresses of its own. Its chains for ranges hold for it or not, once for all.
func (r *tcpRouter) ofAddress(l *tcpListener) {
	for _, text := range l.binds {
		address, err := netip.ParseAddr(text)
		if err != nil {
			continue
		}
		best := -1
		for i := range l.chains {
			best = max(best, l.chains[i].covers(address))
		}
		var chains []*tcpChain
		for i := range l.chains {
			if c := &l.chains[i]; !c.all() && c.covers(address) == best {
				chains = append(chains, c)
			}
		}
		r.add(tcpAddress{l.port, netip.PrefixFrom(address, address.BitLen())}, chains, r.defaultOf(l), l.httpWithin(best))
	}
}

// ofPort lays out a listener for every address.
func (r *tcpRouter) ofPort(l *tcpListener) {
	ranges := map[netip.Prefix][]*tcpChain{}
	for i := range l.chains {
		c := &l.chains[i]
		switch {
		case c.all():
		case len(c.ranges) == 0:
			ranges[netip.Prefix{}] = append(ranges[netip.Prefix{}], c)
		default:
			for _, p := range c.ranges {
				ranges[p] = append(ranges[p], c)
			}
		}
	}
	for p, chains := range ranges {
		r.add(tcpAddress{l.port, p}, chains, r.defaultOf(l), l.httpWithin(p.Bits()))
	}
	r.add(tcpAddress{port: l.port}, nil, r.defaultOf(l), l.http)
}

// httpWithin says how a listener takes HTTP at addresses for which a chain has a range of so many bits. Its chain for HTTP has no range, and
// Envoy looks at addresses first.
func (l *tcpListener) httpWithin(bits int) ir.HTTPUse {
	if bits > 0 {
		return ir.NoHTTP
	}
	return l.http
}

// defaultOf is the chain of a listener for what no other takes (DefaultFilterChain).
func (r *tcpRouter) defaultOf(l *tcpListener) *tcpChain {
	for i := range l.chains {
		if l.chains[i].all() {
			return &l.chains[i]
		}
	}
	return r.fallback
}

// add makes the routes of one address, unless it has some: one for each server name, and one for the rest, which also says what
// becomes of HTTP.
func (r *tcpRouter) add(to tcpAddress, chains []*tcpChain, rest *tcpChain, http ir.HTTPUse) {
	if _, dup := r.groups[to]; dup {
		return
	}
	r.groups[to] = struct{}{}
	names := map[string]struct{}{}
	route := func(sni string, c *tcpChain) {
		if _, dup := names[sni]; dup {
			return
		}
		names[sni] = struct{}{}
		next := ir.TCPRoute{
			Match: ir.TCPMatch{Port: to.port, Address: to.address, SNI: sni}, DetectionTimeout: r.detectionTimeout(), Source: r.config.CatchAll.Source,
		}
		if c != nil {
			next.Destinations, next.Source = c.destinations, c.source
		}
		if sni == "" {
			next.HTTP = http
		}
		if c != nil || next.HTTP != ir.NoHTTP {
			r.routes = append(r.routes, next)
		}
	}
	for _, c := range chains {
		if c.anySNI() {
			route("", c)
			continue
		}
		for _, name := range c.sni {
			route(strings.ToLower(name), c)
		}
	}
	route("", rest)
}

// detectionTimeout is how long a client may say nothing.
func (b *builder) detectionTimeout() time.Duration {
	return b.in.Push.Mesh.GetProtocolDetectionTimeout().AsDuration()
}

// tcpCatchAll is where connections to nobody in the mesh go (buildOutboundCatchAllNetworkFiltersOnly); nil for nowhere.
func (b *builder) tcpCatchAll() *tcpChain {
	if b.config.CatchAll == nil || len(b.config.CatchAll.Destinations) == 0 {
		return nil
	}
	destinations := b.config.CatchAll.Destinations
	if destinations[0].Cluster == anyHost.name() {
		// Only requests name a host.
		destinations = []ir.Destination{{Cluster: b.wantStream(passthrough)}}
	}
	return &tcpChain{destinations: destinations, source: b.config.CatchAll.Source}
}

// tcpChain is a filter chain of a listener.
type tcpChain struct {
	// sni are exact names and wildcards; none, or "*" among them, takes every connection.
	sni []string
	// ranges are those of the address that the client meant.
	ranges       []netip.Prefix
	destinations []ir.Destination
	source       ir.Source
}

func (c *tcpChain) anySNI() bool { return len(c.sni) == 0 || slices.Contains(c.sni, "*") }

// all says that the chain takes every connection (isMatchAll).
func (c *tcpChain) all() bool { return c.anySNI() && len(c.ranges) == 0 }

// covers is the length of the longest range of the chain that has the address; 0 when it asks for none, -1 when it is in none.
func (c *tcpChain) covers(address netip.Addr) int {
	if len(c.ranges) == 0 {
		return 0
	}
	best := -1
	for _, p := range c.ranges {
		if p.Contains(address) {
			best = max(best, p.Bits())
		}
	}
	return best
}

// conflictsWith says that two chains ask for the same (the function of that name of filterChainOpts).
func (c *tcpChain) conflictsWith(o *tcpChain) bool {
	return sameSet(c.sni, o.sni, func(s string) bool { return s == "*" }) && sameSet(c.ranges, o.ranges, func(netip.Prefix) bool { return false })
}

// sameSet compares two lists as sets, without what ignore says.
func sameSet[T comparable](a, b []T, ignore func(T) bool) bool {
	if len(a) == 0 || len(b) == 0 {
		// An empty one asks for nothing, which one of ignored members does not.
		return len(a) == len(b)
	}
	within := func(a, b []T) bool {
		for _, v := range a {
			if !ignore(v) && !slices.Contains(b, v) {
				return false
			}
		}
		return true
	}
	return within(a, b) && within(b, a)
}

// prefixes reads addresses and ranges; what is neither, and the range of everything, is left out (toFilterChainMatch).
func prefixes(list []string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range list {
		p, err := util.AddrStrToPrefix(s)
		if err != nil || p.Addr().String() == constants.UnspecifiedIP {
			continue
		}
		out = append(out, p.Masked())
	}
	return out
}
