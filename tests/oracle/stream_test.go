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
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/simulate"
)

// closed stands for a connection that ends before the server has spoken, and waiting for one that does not end.
const (
	closed  = "closed"
	waiting = "waiting"
)

// testStreams opens connections and looks which server speaks.
func testStreams(t *testing.T, captures bool) {
	s := startStreams(t)
	if captures {
		s.capture()
	}
	seed := environment(t, "ORACLE_SEED", 1)
	tables := environment(t, "ORACLE_TABLES", 20)
	t.Logf("ORACLE_SEED=%d ORACLE_TABLES=%d", seed, tables)
	calls, shown := 0, 0
	became := map[string]int{}
	for i := range tables {
		g := &generator{rand.New(rand.NewSource(seed*1_000_003 + i))}
		table := g.streamTable(s)
		s.serve(table)
		for range requestsPerTable {
			in := g.call(s, table, captures)
			calls++
			got, diff := s.play(table, in)
			if diff == "" {
				kind, _, _ := strings.Cut(got, " ")
				if strings.HasPrefix(kind, "u") {
					kind = "upstream"
				}
				became[kind]++
				continue
			}
			if shown++; shown <= most {
				s.shrink(table, in, fmt.Sprintf("table %d of seed %d", i, seed))
				s.serve(table)
			}
		}
	}
	for range 10 {
		s.shares(&generator{rand.New(rand.NewSource(seed))})
	}
	t.Logf("%d connections, %d disagreements; what became of those agreed upon: %v", calls, shown, became)
}

// play is what becomes of a connection, and how the simulator differs, or "".
func (s *streams) play(table []simulate.Resource, in *call) (string, string) {
	config, err := simulate.New(append(slices.Clone(s.upstreams), table...))
	if err != nil {
		return "", err.Error()
	}
	result := config.TCP(in.Connection)
	if len(result.NotSimulated) > 0 {
		return "", fmt.Sprint("not simulated: ", result.NotSimulated)
	}
	want := s.outcomes(in, result)
	var got string
	for i := range 2 {
		if i > 0 {
			// APISIX learns of what is not a route on its own time.
			time.Sleep(settle)
		}
		got = s.becomes(in, result.Waits)
		if slices.Contains(want, got) {
			return got, ""
		}
	}
	return got, fmt.Sprintf("APISIX: %q, the simulator: %q because\n  %s", got, want, strings.Join(result.Why, "\n  "))
}

// outcomes are what the simulator allows.
func (s *streams) outcomes(in *call, result simulate.ConnectionResult) []string {
	out := []string{}
	switch {
	case result.Waits:
		return []string{waiting}
	case len(result.Destinations) == 0:
		return []string{closed}
	}
	for _, d := range result.Destinations {
		switch {
		case d.Closed, d.OriginalDst.IsValid() && int(d.OriginalDst.Port()) == unservedPort:
			out = append(out, closed)
		case d.OriginalDst.IsValid():
			out = append(out, fmt.Sprintf("original %s %s", d.OriginalDst, sourceOf(in)))
		default:
			out = append(out, d.UpstreamID)
		}
	}
	return out
}

// shrink drops what a disagreement does not need, and reports it.
func (s *streams) shrink(table []simulate.Resource, in *call, where string) {
	s.t.Helper()
	s.serve(table)
	_, diff := s.play(table, in)
	if diff == "" {
		s.t.Errorf("%s: %+v is played differently, and the same when it is repeated", where, in)
		return
	}
	for i := 0; i < len(table); {
		without := slices.Delete(slices.Clone(table), i, i+1)
		s.serve(without)
		if _, d := s.play(without, in); d != "" {
			table, diff = without, d
		} else {
			i++
		}
	}
	var b strings.Builder
	for _, r := range table {
		fmt.Fprintf(&b, "\n%s/%s %s", r.Kind, r.ID, r.JSON)
	}
	s.t.Errorf("%s: %+v from %s sends %q: %s%s\n%s", where, in.Connection, in.from, in.data, diff, b.String(), s.Log())
}

// shares counts: destinations take turns, so that their shares are exact.
func (s *streams) shares(g *generator) {
	s.t.Helper()
	var list []string
	for i := range 1 + g.Intn(4) {
		list = append(list, fmt.Sprintf(`{"upstream_id":"u%d","weight":%d}`, i, g.Intn(6)))
	}
	all := strings.Join(list, ",")
	for _, plugin := range []string{`"traffic-split":{"rules":[{"weighted_upstreams":[` + all + `]}]}`, `"mesh-split":{"destinations":[` + all + `]}`} {
		table := []simulate.Resource{{Kind: apisix.StreamRoutes, ID: "r", JSON: []byte(`{"id":"r","upstream_id":"u8","plugins":{` + plugin + `}}`)}}
		config, err := simulate.New(append(slices.Clone(s.upstreams), table...))
		if err != nil {
			s.t.Fatalf("%s: %v", plugin, err)
		}
		s.serve(table)
		in := &call{Connection: simulate.Connection{Destination: s.listeners[0]}}
		const turns = 3
		want, got, total := map[string]int{}, map[string]int{}, 0
		for _, d := range config.TCP(in.Connection).Destinations {
			want[d.UpstreamID] += d.Weight * turns
			total += d.Weight * turns
		}
		for range total {
			got[s.becomes(in, false)]++
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			s.t.Errorf("%s: APISIX has shared %d connections as %v, the simulator says %v", plugin, total, got, want)
		}
	}
}
