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
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sort"
	"strings"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// Connection is what a client opens.
type Connection struct {
	// Inbound says that it comes through a listener for what is sent to the workload.
	Inbound bool
	// Destination is what the client meant to reach: the original destination of a captured connection, else the listener
	// itself.
	Destination netip.AddrPort
	// Captured says that the connection was captured on its way, so that it can go on to where it was going.
	Captured bool
	// SNI is the server name of the client's ClientHello; empty for none, and for clients that do not speak TLS.
	SNI string
	// Peer is the SPIFFE id of a client with a certificate of the mesh; empty for others.
	Peer string
	// Source is the client's address; 127.0.0.1 when it is not valid.
	Source netip.Addr
	// ServerFirst says that the client waits for the server to speak, as those of databases do.
	ServerFirst bool
}

// ConnectionResult is what becomes of a connection.
type ConnectionResult struct {
	// Route is the id of the stream route that takes it; empty when none does.
	Route string
	// Why says how the route was found.
	Why []string
	// Waits says that nothing becomes of it, because the client waits for the server and the route goes by what the client says.
	Waits bool
	// HTTP is the route's label of that name: apisix.HTTPDetect, apisix.HTTPOnly or empty.
	HTTP string
	// Destinations share the connections. With none, or one without nodes, the connection is closed.
	Destinations []ConnectionDestination
	// NotSimulated lists the plugins that would have had a part in this and were not played.
	NotSimulated []string
}

// ConnectionDestination is an upstream that gets a share of the connections.
type ConnectionDestination struct {
	UpstreamID string
	// OriginalDst, when it is valid, is where the connection goes in the place of the upstream.
	OriginalDst netip.AddrPort
	// Weight is relative to that of the others.
	Weight int
	// Closed says that there is nobody to connect to.
	Closed bool
}

// streamRoute is one that can be played.
type streamRoute struct {
	id       string
	inbound  bool
	http     string
	address  netip.Addr
	prefix   netip.Prefix
	port     int
	sni      string
	upstream string
	// split and originalDst are the plugins of these names, or nil.
	split       []streamShare
	originalDst bool
	// mtls is the label of that name; peer and rbac are the plugins mesh-peer and mesh-rbac, or nil.
	mtls string
	peer *peer
	rbac *rbac
	// needs are the upstreams without which every connection is closed.
	needs []string
	// unknown are plugins that cannot be played.
	unknown []string
}

type streamShare struct {
	upstream    string
	weight      int
	originalDst bool
}

func parseStreamRoute(res Resource) (*streamRoute, error) {
	var in struct {
		about
		ServerAddr string                     `json:"server_addr"`
		ServerPort int                        `json:"server_port"`
		SNI        string                     `json:"sni"`
		UpstreamID id                         `json:"upstream_id"`
		Plugins    map[string]json.RawMessage `json:"plugins"`
	}
	if err := decode(res.JSON, &in); err != nil {
		return nil, err
	}
	if err := in.check(res); err != nil {
		return nil, err
	}
	var labels map[string]string
	if len(in.Labels) > 0 {
		if err := json.Unmarshal(in.Labels, &labels); err != nil {
			return nil, fmt.Errorf("labels: %w", err)
		}
	}
	r := &streamRoute{
		mtls: labels[apisix.LabelMTLS], id: res.ID, inbound: labels[apisix.LabelDirection] == apisix.Inbound, http: labels[apisix.LabelHTTP],
		port: in.ServerPort, sni: asciiLower(in.SNI), upstream: string(in.UpstreamID),
	}
	if r.sni != "" && !apisix.ValidHost(r.sni) {
		return nil, fmt.Errorf("APISIX does not take the sni %q", in.SNI)
	}
	if in.ServerAddr != "" {
		if err := r.parseAddress(in.ServerAddr); err != nil {
			return nil, fmt.Errorf("server_addr: %w", err)
		}
	}
	return r, r.parsePlugins(in.Plugins)
}

// parseAddress takes an address or a range in their canonical form, as the router compares them.
func (r *streamRoute) parseAddress(in string) error {
	canonical := ""
	if strings.Contains(in, "/") {
		p, err := netip.ParsePrefix(in)
		if err != nil {
			return err
		}
		r.prefix, canonical = p, p.Masked().String()
	} else {
		a, err := netip.ParseAddr(in)
		if err != nil {
			return err
		}
		r.address, canonical = a, a.String()
	}
	if in != canonical {
		return fmt.Errorf("%s in the place of %s is %w", in, canonical, errNotSimulated)
	}
	if r.prefix.IsSingleIP() {
		r.prefix, r.address = netip.Prefix{}, r.prefix.Addr()
	}
	return nil
}

// parsePlugins goes in the order in which APISIX runs those that split: the last one decides.
func (r *streamRoute) parsePlugins(in map[string]json.RawMessage) error {
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(in))) {
		raw := in[name]
		var p plugin
		conf, disabled, err := withoutMeta(raw)
		if err == nil && !disabled {
			switch name {
			case "traffic-split":
				p, err = parseTrafficSplit(conf)
			case "mesh-split":
				p, err = parseSplit(conf)
			case "mesh-original-dst":
				p, err = parseOriginalDst(conf)
			case "mesh-peer":
				r.peer, err = newPeer(conf)
			case "mesh-rbac":
				r.rbac, err = newRBAC(conf)
			default:
				r.unknown = append(r.unknown, name)
			}
		}
		if err == nil {
			err = r.use(p)
		}
		if err != nil {
			return fmt.Errorf("plugin %s: %w", name, err)
		}
	}
	sort.Strings(r.unknown)
	return nil
}

// use takes over what a plugin for HTTP would do, as the one for streams does it.
func (r *streamRoute) use(p plugin) error {
	switch p := p.(type) {
	case *trafficSplit:
		if len(p.rules) != 1 || len(p.rules[0].match) > 0 {
			return fmt.Errorf("several rules, and matches, are %w", errNotSimulated)
		}
		for _, d := range p.rules[0].upstreams {
			r.needs = append(r.needs, d.UpstreamID)
		}
		for _, d := range shares(p.rules[0].upstreams) {
			r.split = append(r.split, streamShare{upstream: d.UpstreamID, weight: d.Weight})
		}
	case *split:
		r.split = nil
		for i := range p.destinations {
			d := &p.destinations[i]
			if d.status != 0 {
				return errors.New("a destination with a status has no meaning for a connection")
			}
			r.split = append(r.split, streamShare{upstream: d.id, weight: d.weight, originalDst: d.originalDst != nil})
		}
	case *originalDst:
		r.originalDst = true
	}
	return nil
}

// TCP plays a connection through the router that our Lua pack puts in the place of APISIX's.
func (c *Config) TCP(in Connection) ConnectionResult {
	var out ConnectionResult
	why := &reasons{}
	route, waits := c.streamRouter.match(&in, why)
	if waits {
		out.Why, out.Waits = why.lines, true
		return out
	}
	if route == nil {
		why.add("no route takes it, and it is closed")
		out.Why = why.lines
		return out
	}
	out.Route, out.HTTP = route.id, route.http
	for _, name := range route.unknown {
		out.NotSimulated = append(out.NotSimulated, "plugin "+name)
	}
	refused := ""
	switch {
	case in.Inbound && route.mtls == apisix.MTLSStrict && in.Peer == "":
		refused = "it is plain text to a port in STRICT mode"
	case route.peer != nil:
		refused = route.peer.refuses(in.Peer)
	}
	if refused == "" && route.rbac != nil {
		refused = route.rbac.refuses(&caller{
			peer: in.Peer, source: clientAddress(in.Source), destination: in.Destination, sni: in.SNI, sniUnknown: in.Peer == "",
		})
	}
	if refused != "" {
		why.add("%s, and is closed", refused)
		out.Why, out.HTTP = why.lines, ""
		return out
	}
	if route.upstream == "" {
		why.add("route %s has no upstream, and the connection is closed", route.id)
	} else {
		out.Destinations = c.streamDestinations(&in, route)
	}
	out.Why = why.lines
	return out
}

func (c *Config) streamDestinations(in *Connection, route *streamRoute) []ConnectionDestination {
	list := route.split
	if !slices.ContainsFunc(list, func(s streamShare) bool { return s.weight > 0 }) {
		// Without any weight the first destination takes everything.
		first := streamShare{upstream: route.upstream, weight: 1}
		if len(list) > 0 {
			first.upstream, first.originalDst = list[0].upstream, list[0].originalDst
		}
		list = []streamShare{first}
	}
	absent := slices.ContainsFunc(slices.Concat(route.needs, []string{route.upstream}), func(id string) bool { return c.upstreams[id] == nil })
	var out []ConnectionDestination
	for _, s := range list {
		if s.weight == 0 {
			continue
		}
		d := ConnectionDestination{UpstreamID: s.upstream, Weight: s.weight}
		u := c.upstreams[s.upstream]
		switch {
		case absent || u == nil:
			// APISIX looks for the route's own before any plugin, and for the chosen one whatever comes of it.
			d.Closed = true
		case (s.originalDst || route.originalDst) && in.Captured:
			d.OriginalDst = in.Destination
		default:
			d.Closed = len(u.Nodes) == 0
		}
		out = append(out, d)
	}
	return out
}
