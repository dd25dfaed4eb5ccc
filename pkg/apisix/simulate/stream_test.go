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

package simulate_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/simulate"
)

func streamConfig(t *testing.T, objects ...string) *simulate.Config {
	t.Helper()
	c, err := simulate.New(streamResources(objects...))
	assert.NoError(t, err)
	return c
}

// streamResources are stream routes with the names "a", "b" and so on, and upstreams: "up" has a node, "empty" none.
func streamResources(objects ...string) []simulate.Resource {
	out := []simulate.Resource{
		{Kind: apisix.Upstreams, ID: "up", JSON: []byte(`{"nodes":[{"host":"10.9.0.1","port":80,"weight":1}],"type":"roundrobin"}`)},
		{Kind: apisix.Upstreams, ID: "empty", JSON: []byte(`{"nodes":[],"type":"roundrobin"}`)},
	}
	for i, o := range objects {
		out = append(out, simulate.Resource{Kind: apisix.StreamRoutes, ID: string(rune('a' + i)), JSON: []byte(o)})
	}
	return out
}

func TestStreamMatch(t *testing.T) {
	c := streamConfig(
		t,
		`{"upstream_id":"up"}`, // a
		`{"server_port":80,"server_addr":"10.0.0.1","upstream_id":"up"}`,           // b
		`{"server_port":80,"server_addr":"10.0.0.0/8","upstream_id":"up"}`,         // c
		`{"server_port":80,"server_addr":"10.1.0.0/16","upstream_id":"up"}`,        // d
		`{"server_port":443,"upstream_id":"up"}`,                                   // e
		`{"server_port":443,"sni":"A.example.com","upstream_id":"up"}`,             // f
		`{"server_port":443,"sni":"*.example.com","upstream_id":"up"}`,             // g
		`{"server_port":443,"sni":"*.b.example.com","upstream_id":"up"}`,           // h
		`{"server_port":80,"labels":{"direction":"inbound","http":"only"}}`,        // i
		`{"labels":{"direction":"inbound"},"upstream_id":"up"}`,                    // j
		`{"server_port":81,"server_addr":"2001:db8::1","upstream_id":"up"}`,        // k
		`{"server_port":82,"server_addr":"10.0.0.1/32","upstream_id":"up"}`,        // l
		`{"server_port":82,"server_addr":"10.0.0.1","sni":"a","upstream_id":"up"}`, // m
	)
	for _, tt := range []struct {
		to, sni string
		inbound bool
		want    string
	}{
		{to: "10.0.0.1:80", want: "b"},
		{to: "10.0.0.2:80", want: "c"},
		{to: "10.1.0.2:80", want: "d"},
		{to: "11.0.0.2:80", want: ""},
		{to: "11.0.0.2:83", want: "a"},
		{to: "10.0.0.1:82", want: "l"},
		{to: "10.0.0.1:82", sni: "a", want: "m"},
		{to: "[2001:db8::1]:81", want: "k"},
		{to: "[2001:db8::2]:81", want: ""},
		{to: "10.0.0.1:443", want: "e"},
		{to: "10.0.0.1:443", sni: "a.EXAMPLE.com", want: "f"},
		{to: "10.0.0.1:443", sni: "c.example.com", want: "g"},
		{to: "10.0.0.1:443", sni: "d.c.example.com", want: "g"},
		{to: "10.0.0.1:443", sni: "a.b.example.com", want: "h"},
		{to: "10.0.0.1:443", sni: "example.com", want: "e"},
		{to: "10.0.0.1:80", inbound: true, want: "i"},
		{to: "10.0.0.1:81", inbound: true, want: "j"},
	} {
		got := c.TCP(simulate.Connection{Destination: netip.MustParseAddrPort(tt.to), SNI: tt.sni, Inbound: tt.inbound})
		if got.Route != tt.want {
			t.Errorf("%+v: got %q, %v", tt, got.Route, got.Why)
		}
	}
}

func TestStreamDestinations(t *testing.T) {
	to := netip.MustParseAddrPort("10.0.0.1:80")
	for _, tt := range []struct {
		name, route string
		captured    bool
		want        []simulate.ConnectionDestination
	}{
		{"an upstream", `{"upstream_id":"up"}`, true, []simulate.ConnectionDestination{{UpstreamID: "up", Weight: 1}}},
		{"one without nodes", `{"upstream_id":"empty"}`, true, []simulate.ConnectionDestination{{UpstreamID: "empty", Weight: 1, Closed: true}}},
		{"one that is not there", `{"upstream_id":"no"}`, true, []simulate.ConnectionDestination{{UpstreamID: "no", Weight: 1, Closed: true}}},
		{"none", `{}`, true, nil},
		{
			"one that is not there, whatever plugins say", `{"upstream_id":"no","plugins":{"mesh-original-dst":{}}}`, true,
			[]simulate.ConnectionDestination{{UpstreamID: "no", Weight: 1, Closed: true}},
		},
		{
			"traffic-split with one that is not there, whatever its weight",
			`{"upstream_id":"up","plugins":{"traffic-split":{"rules":[{"weighted_upstreams":[{"upstream_id":"up","weight":3},{"upstream_id":"no","weight":0}]}]}}}`, true,
			[]simulate.ConnectionDestination{{UpstreamID: "up", Weight: 3, Closed: true}},
		},
		{
			"a share of one that is not there",
			`{"upstream_id":"up","plugins":{"mesh-split":{"destinations":[{"upstream_id":"no","weight":1,"original_dst":{}}]}}}`, true,
			[]simulate.ConnectionDestination{{UpstreamID: "no", Weight: 1, Closed: true}},
		},
		{
			"weights", `{"upstream_id":"up","plugins":{"traffic-split":{"rules":[{"weighted_upstreams":[{"upstream_id":"up","weight":3},{"upstream_id":"empty","weight":1}]}]}}}`, true,
			[]simulate.ConnectionDestination{{UpstreamID: "up", Weight: 3}, {UpstreamID: "empty", Weight: 1, Closed: true}},
		},
		{
			"the original destination", `{"upstream_id":"empty","plugins":{"mesh-original-dst":{}}}`, true,
			[]simulate.ConnectionDestination{{UpstreamID: "empty", Weight: 1, OriginalDst: to}},
		},
		{
			"not captured", `{"upstream_id":"empty","plugins":{"mesh-original-dst":{}}}`, false,
			[]simulate.ConnectionDestination{{UpstreamID: "empty", Weight: 1, Closed: true}},
		},
		{
			"a share to the original destination",
			`{"upstream_id":"up","plugins":{"mesh-split":{"destinations":[{"upstream_id":"up","weight":1},{"upstream_id":"empty","weight":0},{"upstream_id":"empty","weight":2,"original_dst":{}}]}}}`, true,
			[]simulate.ConnectionDestination{{UpstreamID: "up", Weight: 1}, {UpstreamID: "empty", Weight: 2, OriginalDst: to}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := streamConfig(t, tt.route).TCP(simulate.Connection{Destination: to, Captured: tt.captured})
			if !slices.Equal(got.Destinations, tt.want) {
				t.Errorf("got %+v, want %+v", got.Destinations, tt.want)
			}
		})
	}
	got := streamConfig(t, `{"upstream_id":"up","plugins":{"limit-conn":{}}}`).TCP(simulate.Connection{Destination: to})
	assert.Equal(t, got.NotSimulated, []string{"plugin limit-conn"})
}

// TestStreamServerFirst has clients that wait for the server: it speaks where nothing goes by what they say.
func TestStreamServerFirst(t *testing.T) {
	c := streamConfig(
		t,
		`{"server_port":3306,"upstream_id":"up"}`,
		`{"server_port":443,"upstream_id":"up"}`,
		`{"server_port":443,"sni":"a.example.com","upstream_id":"up"}`,
	)
	for port, waits := range map[uint16]bool{3306: false, 443: true, 80: false} {
		got := c.TCP(simulate.Connection{Destination: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), port), ServerFirst: true})
		assert.Equal(t, got.Waits, waits)
		assert.Equal(t, len(got.Destinations) > 0, port == 3306)
	}
}

func TestStreamRefused(t *testing.T) {
	for object, want := range map[string]string{
		`{"server_addr":"x"}`:                        "server_addr",
		`{"server_addr":"x/8"}`:                      "server_addr",
		`{"server_addr":"10.0.0.1/8"}`:               "not simulated",
		`{"server_addr":"2001:DB8::1"}`:              "not simulated",
		`{"sni":"a b"}`:                              "sni",
		`{"remote_addr":"1.1.1.1"}`:                  "remote_addr",
		`{"plugins":{"traffic-split":{"rules":[]}}}`: "not simulated",
		`{"plugins":{"mesh-split":{"destinations":[{"status":503,"weight":1}]}}}`: "status",
		`{"labels":[]}`: "labels",
	} {
		if _, err := simulate.New(streamResources(object)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v does not say %q", object, err, want)
		}
	}
}
