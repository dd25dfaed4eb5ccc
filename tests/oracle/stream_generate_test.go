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

package oracle

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/simulate"
)

var (
	// servedPorts have a server at every address, where connections are captured; at unservedPort there is none.
	servedPorts  = []int{80, 443, 3306}
	unservedPort = 81

	routeAddresses = []string{
		"10.1.2.3", "10.1.2.3", "10.1.2.4", "10.1.2.0/24", "10.1.2.128/25", "10.1.0.0/16", "10.0.0.0/8", "10.1.2.3/32", "0.0.0.0/0", "10.1.2.4/31",
		"127.0.0.1", "127.0.0.2", "127.0.0.0/8", "127.0.0.2/31", "fd00:1::5", "fd00:1::/64", "fd00:1::4/127", "fd00::/16", "::/0", "::1", "::1/128",
		"fd00:1::5/128",
	}
	callAddresses  = []string{"10.1.2.3", "10.1.2.4", "10.1.2.5", "10.1.2.200", "10.1.3.4", "10.2.3.4", "10.200.0.1"}
	callAddresses6 = []string{"fd00:1::5", "fd00:1::4", "fd00:1::6", "fd00:1::1:0:0:1"}

	routeNames = []string{
		"a.test", "A.test", "b.a.test", "*.a.test", "*.b.a.test", "*.test", "*", "test", "*.A.test", "x_y.test", "10.1.2.3", "*.3", "a-1.test",
	}
	callNames = []string{
		"a.test", "A.TEST", "b.a.test", "c.b.a.test", "d.c.b.a.test", "xa.test", "test", ".test", "a..test", "other", "a.test.", "x_y.test", "10.1.2.3",
		"*.a.test", "*", "a.test:443", "a-1.test", ".",
	}
)

// streamTable has routes of which no two are alike: there APISIX's choice would depend on its history.
func (g *generator) streamTable(s *streams) []simulate.Resource {
	taken := map[string]bool{}
	var table []simulate.Resource
	for i := range 1 + g.Intn(streamUpstreams-1) {
		id, upstream := fmt.Sprintf("r%d", i), fmt.Sprintf("u%d", i)
		route := object{"id": id}
		key := ""
		if g.chance(30) {
			route["labels"] = object{apisix.LabelDirection: apisix.Inbound}
			key = "inbound"
		}
		if g.chance(60) {
			ports := append(slices.Clone(servedPorts), unservedPort, int(s.listeners[0].Port()), int(s.inbound[0].Port()))
			port := ports[g.Intn(len(ports))]
			route["server_port"] = port
			key += fmt.Sprint(port)
		}
		if g.chance(35) {
			address := g.one(routeAddresses...)
			route["server_addr"] = address
			key += "|" + strings.TrimSuffix(strings.TrimSuffix(address, "/32"), "/128")
		}
		if g.chance(40) {
			name := g.one(routeNames...)
			route["sni"] = name
			key += "|" + strings.ToLower(name)
		}
		if taken[key] {
			continue
		}
		taken[key] = true
		switch n := g.Intn(100); {
		case n < 80:
			route["upstream_id"] = upstream
		case n < 96:
			route["upstream_id"] = g.one("empty", "absent")
		}
		if g.chance(45) {
			route["plugins"] = g.streamPlugins(upstream)
		}
		b, err := json.Marshal(route)
		if err != nil {
			panic(err)
		}
		table = append(table, simulate.Resource{Kind: apisix.StreamRoutes, ID: id, JSON: b})
	}
	return table
}

func (g *generator) streamPlugins(upstream string) object {
	out := object{}
	if g.chance(60) {
		out["mesh-original-dst"] = object{}
	}
	var list []any
	for range 1 + g.Intn(3) {
		d := object{"weight": g.Intn(3), "upstream_id": g.one(upstream, upstream, "u8", "empty", "absent")}
		list = append(list, d)
	}
	switch g.Intn(3) {
	case 0:
		out["traffic-split"] = object{"rules": []any{object{"weighted_upstreams": list}}}
	case 1:
		for _, d := range list {
			if g.chance(30) {
				d.(object)["original_dst"] = object{}
			}
		}
		out["mesh-split"] = object{"destinations": list}
	}
	return out
}

// call is anything, or made for a route of the table, so that it often matches. Without capturing, listeners are all there is.
func (g *generator) call(s *streams, table []simulate.Resource, captures bool) *call {
	in := &call{}
	in.Inbound = g.chance(40)
	port := append(slices.Clone(servedPorts), unservedPort)[g.Intn(len(servedPorts)+1)]
	address := g.one(callAddresses...)
	if g.chance(30) && hasIPv6() {
		address = g.one(callAddresses6...)
	}
	name := g.one(callNames...)
	if len(table) > 0 && g.chance(70) {
		var route struct {
			Labels     map[string]string
			SNI        string
			ServerAddr string `json:"server_addr"`
			ServerPort int    `json:"server_port"`
		}
		if err := json.Unmarshal(table[g.Intn(len(table))].JSON, &route); err != nil {
			panic(err)
		}
		in.Inbound = route.Labels[apisix.LabelDirection] == apisix.Inbound
		if slices.Contains(servedPorts, route.ServerPort) || route.ServerPort == unservedPort {
			port = route.ServerPort
		}
		if slices.Contains(callAddresses, route.ServerAddr) || slices.Contains(callAddresses6, route.ServerAddr) && hasIPv6() {
			address = route.ServerAddr
		}
		if route.SNI != "" {
			name = strings.Replace(route.SNI, "*", g.one("q", "q.r", "Q"), 1)
		}
	}
	listeners := s.listeners
	if in.Inbound {
		listeners = s.inbound
	}
	in.Destination = listeners[g.Intn(len(listeners))]
	if captures && g.chance(75) {
		in.Captured = true
		in.Destination = netip.AddrPortFrom(netip.MustParseAddr(address), uint16(port))
		in.from = capturedFrom(in.Inbound, in.Destination.Addr().Is6())
	}
	g.send(in, name)
	return in
}

// send decides what the client of a connection says.
func (g *generator) send(in *call, name string) {
	in.pieces = []int{1, 1, 1, 2, 3, 20}[g.Intn(6)]
	h := hello{name: name, named: true, records: []int{1, 1, 1, 2, 5}[g.Intn(5)]}
	switch n := g.Intn(100); {
	case n < 3:
		in.ServerFirst = true
		return
	case n < 12:
		in.data = g.one("GET / HTTP/1.1\r\n\r\n", "\x15\x03\x01\x00\x02\x01\x00", "\x00", "\x16\x03\x01\x00\x04\x02\x00\x00\x00", "\x16\x03\x01\x00\x00", "hello\n")
		return
	case n < 20:
		h.named = false
	case n < 23:
		h.kind = 1
	case n < 26:
		h.name = g.one("", "a b.test", "a.test\x00.test", "a.test ")
	case n < 36:
		h.padding = g.Intn(16000)
	case n < 38:
		// More than what is looked at.
		h.padding = 16384 + g.Intn(4000)
	}
	if h.named && h.kind == 0 && !strings.ContainsAny(h.name, " \x00") && h.padding < 16384 {
		in.SNI = h.name
	}
	in.data = h.wire() + g.one("", "more")
	in.half = g.chance(30)
}
