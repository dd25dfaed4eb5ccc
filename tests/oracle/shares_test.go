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
	"math"
	"math/rand"
	"testing"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/lua"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/simulate"
)

// TestShares counts: destinations take turns, so that their shares are exact, and faults strike by chance.
func TestShares(t *testing.T) {
	m := start(t, append([]string{"fault-injection", "traffic-split"}, lua.Plugins()...)...)
	b := newBackends(t)
	seed := environment(t, "ORACLE_SEED", 1)
	t.Logf("ORACLE_SEED=%d", seed)
	g := &generator{rand.New(rand.NewSource(seed))}
	for range 20 {
		m.shares(t, b, g.weights())
	}
	for _, plugin := range []string{
		`"fault-injection":{"abort":{"http_status":418,"percentage":30}}`, `"mesh-fault":{"abort":{"http_status":418,"percentage":0.5}}`,
		`"mesh-fault":{"abort":{"http_status":418,"percentage":99}}`,
	} {
		m.faults(t, b, plugin)
	}
}

// weights is a plugin that splits, of which no two destinations have the same upstream unless the plugin knows them apart.
func (g *generator) weights() string {
	var list []any
	for range 1 + g.Intn(4) {
		list = append(list, object{"upstream_id": g.one(upstreamNames...), "weight": g.Intn(6)})
	}
	conf := object{"traffic-split": object{"rules": []any{object{"weighted_upstreams": list}}}}
	if g.chance(50) {
		conf = object{"mesh-split": object{"destinations": list}}
	}
	b, err := json.Marshal(conf)
	if err != nil {
		panic(err)
	}
	return string(b[1 : len(b)-1])
}

func (m *medium) one(t *testing.T, b *backends, plugin string) *simulate.Config {
	t.Helper()
	table := append([]simulate.Resource{{
		Kind: apisix.Routes, ID: "r", JSON: []byte(`{"id":"r","uri":"/*","hosts":["a.test"],"upstream_id":"u0","plugins":{` + plugin + `}}`),
	}}, b.upstreams...)
	config, err := simulate.New(table)
	if err != nil {
		t.Fatalf("%s: %v", plugin, err)
	}
	m.serve(table)
	return config
}

func (m *medium) shares(t *testing.T, b *backends, plugin string) {
	t.Helper()
	config := m.one(t, b, plugin)
	r := simulate.Request{Host: "a.test", Path: "/"}
	const turns = 3
	want, total := map[string]int{}, 0
	for _, d := range config.HTTP(r).Destinations {
		want[d.UpstreamID] += d.Weight * turns
		total += d.Weight * turns
	}
	got := map[string]int{}
	for range total {
		got[upstreamOf(m.client.send(r))]++
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: APISIX has shared %d requests as %v, the simulator says %v", plugin, total, got, want)
	}
}

func upstreamOf(a answer) string {
	var name, target string
	if _, err := fmt.Sscanf(a.body, "%s %q", &name, &target); err != nil {
		return fmt.Sprintf("status %d: %v", a.status, err)
	}
	return name
}

func (m *medium) faults(t *testing.T, b *backends, plugin string) {
	t.Helper()
	config := m.one(t, b, plugin)
	r := simulate.Request{Host: "a.test", Path: "/"}
	const n = 2000
	aborted := 0
	for range n {
		if m.client.send(r).status == 418 {
			aborted++
		}
	}
	p := config.HTTP(r).Faults[0].Percent / 100
	// Seven standard deviations: a wrong share is told, and chance is not.
	if off := math.Abs(float64(aborted) - n*p); off > 7*math.Sqrt(n*p*(1-p)) {
		t.Errorf("%s: %d of %d requests are aborted, the simulator says %g%%", plugin, aborted, n, p*100)
	}
}
