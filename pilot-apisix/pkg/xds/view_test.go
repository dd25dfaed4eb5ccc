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

package xds

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"

	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/translate"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

var errStillThere = errors.New("something is still held")

// resource is one with the given name, in APISIX's form.
func resource(name, value string) *translate.Resource {
	kind, id, ok := apisix.SplitName(name)
	if !ok {
		panic("no name of a resource: " + name)
	}
	return &translate.Resource{Kind: kind, ID: id, JSON: fmt.Appendf(nil, `{"id":%q,"value":%q}`, id, value)}
}

// output makes one from names and values, in order.
func output(nameAndValue ...string) *translate.Output {
	out := &translate.Output{}
	for i := 0; i < len(nameAndValue); i += 2 {
		out.Resources = append(out.Resources, resource(nameAndValue[i], nameAndValue[i+1]))
	}
	return out
}

func namesOf(res []*discovery.Resource) []string {
	names := make([]string, 0, len(res))
	for _, r := range res {
		names = append(names, r.Name)
	}
	return names
}

func TestViewDiff(t *testing.T) {
	p := newPool()
	base := output("upstreams/a", "1", "upstreams/b", "1", "routes/a", "1", "routes/c", "1")
	for _, tt := range []struct {
		name    string
		next    *translate.Output
		changed []string
		removed []string
	}{
		{"nothing", output("upstreams/a", "1", "upstreams/b", "1", "routes/a", "1", "routes/c", "1"), []string{}, nil},
		{"one changed", output("upstreams/a", "1", "upstreams/b", "2", "routes/a", "1", "routes/c", "1"), []string{"upstreams/b"}, nil},
		{
			"added between", output("upstreams/a", "1", "upstreams/ab", "1", "upstreams/b", "1", "routes/a", "1", "routes/b", "1", "routes/c", "1"),
			[]string{"upstreams/ab", "routes/b"},
			nil,
		},
		{"first gone", output("upstreams/b", "1", "routes/a", "1", "routes/c", "1"), []string{}, []string{"upstreams/a"}},
		{
			"all other", output("protos/a", "1", "upstreams/c", "1", "routes/d", "1"),
			[]string{"protos/a", "upstreams/c", "routes/d"},
			[]string{"routes/a", "routes/c", "upstreams/a", "upstreams/b"},
		},
		{"all gone", output(), []string{}, []string{"routes/a", "routes/c", "upstreams/a", "upstreams/b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			old, _ := newView(base, nil, p)
			v, refused := newView(tt.next, old, p)
			assert.Equal(t, len(refused), 0)
			d := v.since(old)
			assert.Equal(t, namesOf(d.changed), tt.changed)
			assert.Equal(t, d.removed, tt.removed)
			if v.since(old) != d {
				t.Error("the difference must be computed once")
			}
			// The same through a client that says what it holds.
			held := map[string]string{}
			for _, w := range old.wires {
				held[w.Name] = w.Version
			}
			d = v.against(held)
			assert.Equal(t, namesOf(d.changed), tt.changed)
			assert.Equal(t, d.removed, tt.removed)
		})
	}
}

func TestViewSharesWhatDidNotChange(t *testing.T) {
	p := newPool()
	first, _ := newView(output("upstreams/a", "1", "routes/a", "1"), nil, p)

	t.Run("the output itself", func(t *testing.T) {
		v, _ := newView(first.out, first, p)
		if v != first {
			t.Error("the same output must give the same view")
		}
	})
	t.Run("an equal output", func(t *testing.T) {
		v, _ := newView(output("upstreams/a", "1", "routes/a", "1"), first, p)
		if !v.same(first) || v.since(first) != noDelta {
			t.Error("an equal output must not be compared again for every connection")
		}
	})
	t.Run("one of two", func(t *testing.T) {
		next := &translate.Output{Resources: []*translate.Resource{resource("upstreams/a", "2"), first.resources[1]}}
		v, _ := newView(next, first, p)
		if v.wires[0] == first.wires[0] || v.wires[1] != first.wires[1] {
			t.Error("only what changed must be marshalled again")
		}
	})
	t.Run("other sources", func(t *testing.T) {
		next := output("upstreams/a", "1", "routes/a", "1")
		next.Resources[1].Sources = []ir.Source{{Kind: "VirtualService", Name: "moved"}}
		v, _ := newView(next, first, p)
		if v.wires[1] == first.wires[1] {
			t.Error("who connects from now on must get the new sources")
		}
		if !v.since(first).empty() {
			t.Error("sources alone are no change")
		}
	})
	t.Run("another group", func(t *testing.T) {
		v, _ := newView(output("upstreams/a", "1", "routes/b", "1"), nil, p)
		if v.wires[0] != first.wires[0] {
			t.Error("equal resources of different groups must share one marshalled form")
		}
	})
}

func TestViewLeavesOutWhatAPISIXCannotRead(t *testing.T) {
	out := output("routes/b", "1", "upstreams/a", "1", "routes/a", "1", "routes/b", "2")
	out.Resources = append(out.Resources,
		nil,
		&translate.Resource{Kind: "gateways", ID: "a", JSON: []byte(`{}`)},
		&translate.Resource{Kind: apisix.Routes, ID: "a/b", JSON: []byte(`{}`)},
		&translate.Resource{Kind: apisix.Routes, ID: "empty"},
	)
	v, refused := newView(out, nil, newPool())
	assert.Equal(t, namesOf(v.wires), []string{"upstreams/a", "routes/a", "routes/b"})
	var messages []string
	for _, err := range refused {
		messages = append(messages, err.Error())
	}
	assert.Equal(t, messages, []string{
		"a resource of the output is nil",
		`resource "gateways/a": APISIX has no kind "gateways"`,
		`resource "routes/a/b": APISIX refuses the id "a/b"; ids are made with apisix.ID`,
		`resource "routes/empty" has no JSON`,
		`resource "routes/b" is in the output twice`,
	})
	assert.Equal(t, string(v.find("routes/b").Resource.Value), string(newPool().intern(resource("routes/b", "1")).Resource.Value))
}

func TestViewFind(t *testing.T) {
	v, _ := newView(output("upstreams/a", "1", "routes/a", "1", "routes/b", "1"), nil, newPool())
	for _, name := range []string{"upstreams/a", "routes/a", "routes/b"} {
		assert.Equal(t, v.find(name).GetName(), name)
	}
	for _, name := range []string{"", "routes", "routes/c", "upstreams/b", "protos/a", "unknown/a", "routes/a/b"} {
		if v.find(name) != nil {
			t.Errorf("%q must not be found", name)
		}
	}
}

func TestViewWith(t *testing.T) {
	p := newPool()
	old, _ := newView(output("upstreams/a", "1", "routes/a", "1", "routes/b", "1"), nil, p)
	v, _ := newView(output("upstreams/a", "2", "routes/a", "1"), old, p)
	d := v.with(v.since(old), []string{"routes/a", "upstreams/a", "routes/x", "routes/b"})
	assert.Equal(t, namesOf(d.changed), []string{"upstreams/a", "routes/a"})
	assert.Equal(t, d.removed, []string{"routes/b", "routes/x"})
	assert.Equal(t, v.since(old).removed, []string{"routes/b"})
}

// TestViewRandomDiffs plays random changes and checks both ways of making a difference against a client's map.
func TestViewRandomDiffs(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	p := newPool()
	kinds := []apisix.Kind{apisix.SSLs, apisix.Upstreams, apisix.Routes}
	var names []string
	for _, k := range kinds {
		for i := range 12 {
			names = append(names, apisix.Name(k, fmt.Sprint(i)))
		}
	}
	client := map[string]string{}
	var prev *view
	for range 500 {
		out := &translate.Output{}
		values := map[string]string{}
		for _, name := range names {
			if rnd.IntN(4) > 0 {
				values[name] = fmt.Sprint(rnd.IntN(3))
				out.Resources = append(out.Resources, resource(name, values[name]))
			}
		}
		slices.SortFunc(out.Resources, compare)
		v, refused := newView(out, prev, p)
		assert.Equal(t, len(refused), 0)
		var d *delta
		if prev == nil || rnd.IntN(2) == 0 {
			d = v.against(client)
		} else {
			d = v.since(prev)
		}
		for _, w := range d.changed {
			if client[w.Name] == w.Version {
				t.Fatalf("%s did not change", w.Name)
			}
			client[w.Name] = w.Version
		}
		for _, name := range d.removed {
			if _, ok := client[name]; !ok {
				t.Fatalf("%s was not there", name)
			}
			delete(client, name)
		}
		want := map[string]string{}
		for name, value := range values {
			want[name] = p.intern(resource(name, value)).Version
		}
		assert.Equal(t, client, want)
		if !slices.IsSorted(d.removed) {
			t.Fatalf("not sorted: %v", d.removed)
		}
		prev = v
	}
}
