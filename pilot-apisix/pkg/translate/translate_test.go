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
	"fmt"
	"strings"
	"testing"
	"time"

	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/schema/schematest"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

func testCluster(name string, addresses ...string) *ir.Cluster {
	c := &ir.Cluster{Name: "outbound|80||" + name, Host: name, Port: 80, ConnectTimeout: time.Second, Sources: []ir.Source{{Kind: "Service", Name: name}}}
	for _, a := range addresses {
		c.Endpoints = append(c.Endpoints, ir.Endpoint{Address: a, Port: 80, Weight: 1})
	}
	return c
}

func testConfig(clusters ...*ir.Cluster) *ir.Config {
	cfg := &ir.Config{Clusters: clusters}
	for _, c := range clusters {
		cfg.VirtualHosts = append(cfg.VirtualHosts, &ir.VirtualHost{
			Port: 80, Name: c.Host, Domains: []string{c.Host},
			Routes: []ir.Route{{Name: "default", Destinations: []ir.Destination{{Cluster: c.Name}}}},
		})
	}
	return cfg
}

func byName(t *testing.T, out *Output) map[string]*Resource {
	t.Helper()
	m := map[string]*Resource{}
	for _, r := range out.Resources {
		m[r.Name()] = r
	}
	assert.Equal(t, len(m), len(out.Resources))
	return m
}

// TestTakeOver checks which resources keep their pointers, since that is what spares the proxies.
func TestTakeOver(t *testing.T) {
	a, b := testCluster("a", "1.1.1.1"), testCluster("b", "1.1.1.2")
	cfg := testConfig(a, b)
	first := Translate(cfg, nil)
	assert.Equal(t, Translate(cfg, first) == first, true)

	t.Run("endpoints", func(t *testing.T) {
		next := *cfg
		changed := *b
		changed.Endpoints = []ir.Endpoint{{Address: "1.1.1.3", Port: 80, Weight: 1}}
		next.Clusters = []*ir.Cluster{a, &changed}
		assertChanged(t, first, Translate(&next, first), "upstreams/outbound_80__b")
	})
	t.Run("endpoints that become the same", func(t *testing.T) {
		next := *cfg
		same := *b
		next.Clusters = []*ir.Cluster{a, &same}
		assertChanged(t, first, Translate(&next, first))
	})
	t.Run("a route", func(t *testing.T) {
		next := testConfig(a, b)
		next.VirtualHosts[0].Routes[0].Timeout = time.Second
		assertChanged(t, first, Translate(next, first), "routes/80_a_1")
	})
	t.Run("a service less", func(t *testing.T) {
		second := Translate(testConfig(a), first)
		assertChanged(t, first, second)
		assert.Equal(t, len(second.Resources), 2)
	})
	t.Run("nothing", func(t *testing.T) {
		assertChanged(t, first, Translate(testConfig(testCluster("a", "1.1.1.1"), testCluster("b", "1.1.1.2")), first))
	})
}

// assertChanged checks that just the named resources of after are not those of before.
func assertChanged(t *testing.T, before, after *Output, want ...string) {
	t.Helper()
	old := byName(t, before)
	var got []string
	for _, r := range after.Resources {
		if old[r.Name()] != r {
			got = append(got, r.Name())
		}
	}
	assert.Equal(t, got, want)
	// What is taken over must be where the next call looks for it.
	for i, u := range after.upstreams {
		assert.Equal(t, byName(t, after)[u.Name()] == u, true)
		assert.Equal(t, u.ID, upstreamID(after.config.Clusters[i]))
	}
}

// TestManyDestinations has one more than APISIX's own plugin takes.
func TestManyDestinations(t *testing.T) {
	cfg := testConfig(testCluster("a"))
	for i := range apisix.MaxWeightedUpstreams {
		c := testCluster(fmt.Sprintf("z%02d", i))
		cfg.Clusters = append(cfg.Clusters, c)
		cfg.VirtualHosts[0].Routes[0].Destinations = append(cfg.VirtualHosts[0].Routes[0].Destinations, ir.Destination{Cluster: c.Name, Weight: 1})
	}
	out := Translate(cfg, nil)
	route := string(byName(t, out)["routes/80_a_1"].JSON)
	assert.Equal(t, strings.Count(route, `"upstream_id"`), apisix.MaxWeightedUpstreams+2)
	assert.Equal(t, strings.Contains(route, `"mesh-split"`), true)
	assert.Equal(t, len(out.Diagnostics), 0)
}

// TestOddNames feeds names that APISIX does not take.
func TestOddNames(t *testing.T) {
	set := schematest.Load(t)
	long := strings.Repeat("x", 300)
	c := testCluster("a b."+long, "not an address", "::1", "")
	c.LB = ir.LoadBalancer{Policy: ir.ConsistentHash, Hash: &ir.HashKey{On: ir.HashHeader, Name: "a.b"}}
	cfg := testConfig(c)
	h := cfg.VirtualHosts[0]
	h.Domains = []string{"a b", "ok.example", "[::1]", "*.w.example"}
	h.Routes[0].Name = long
	h.Routes[0].Match.Headers = []ir.NamedMatch{{Name: "x\"y", StringMatch: ir.StringMatch{Value: "\xff\x00\n"}}}
	out := Translate(cfg, nil)
	assert.Equal(t, len(out.Resources), 3)
	for _, r := range out.Resources {
		if err := set.Check(r.Kind, r.JSON); err != nil {
			t.Errorf("%s: %v", r.JSON, err)
		}
		if !apisix.ValidID(r.ID) {
			t.Errorf("%q is no id", r.ID)
		}
	}
	var codes []string
	for _, d := range out.Diagnostics {
		codes = append(codes, d.Code)
	}
	assert.Equal(t, codes, []string{"DomainNotCarried", "HeaderNameDropped"})
}
