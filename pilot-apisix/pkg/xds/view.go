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
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"weak"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/translate"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// maxDeltas bounds the differences that a view remembers. Connections of one group are at one old view, or at a few when
// some of them are slow.
const maxDeltas = 16

// view is what the proxies of a group must have in one state of the world. It does not change.
type view struct {
	// out is what it was made from.
	out *translate.Output
	// resources are those of out that are sent, in dependency order, and wires are their marshalled forms.
	resources []*translate.Resource
	wires     []*discovery.Resource
	bytes     int

	mu     sync.Mutex
	deltas map[weak.Pointer[view]]*delta
}

// delta is what a connection must be told to get from one view to another.
type delta struct {
	// changed are the resources that are new or have another version, in dependency order.
	changed []*discovery.Resource
	// removed are the names of those that are gone, sorted.
	removed []string
}

var noDelta = &delta{}

func (d *delta) empty() bool {
	return len(d.changed) == 0 && len(d.removed) == 0
}

// newView makes a view of out. Marshalled resources come from prev, the last view of the group or nil, where they did
// not change, and from p otherwise. A resource that APISIX could not read is left out, and reported in refused: it must
// not take its neighbours with it.
func newView(out *translate.Output, prev *view, p *pool) (v *view, refused []error) {
	if prev != nil && prev.out == out {
		return prev, nil
	}
	v = &view{out: out, resources: out.Resources}
	if !wellFormed(v.resources) {
		v.resources, refused = sanitize(v.resources)
	}
	v.wires = make([]*discovery.Resource, len(v.resources))
	var old []*translate.Resource
	if prev != nil {
		old = prev.resources
	}
	j := 0
	for i, r := range v.resources {
		for j < len(old) && old[j] != r && compare(old[j], r) < 0 {
			j++
		}
		if j < len(old) && (old[j] == r || equal(old[j], r)) {
			v.wires[i] = prev.wires[j]
		} else {
			v.wires[i] = p.intern(r)
		}
		v.bytes += len(v.wires[i].Resource.Value)
	}
	if prev != nil && slices.Equal(v.wires, prev.wires) {
		// Connections see at once that there is nothing to do.
		v.wires = prev.wires
	}
	return v, refused
}

// compare orders resources as translate.Output does. Kinds that APISIX does not have come last.
func compare(a, b *translate.Resource) int {
	if a.Kind != b.Kind {
		if c := cmp.Compare(order(a.Kind), order(b.Kind)); c != 0 {
			return c
		}
		return strings.Compare(string(a.Kind), string(b.Kind))
	}
	return strings.Compare(a.ID, b.ID)
}

func order(k apisix.Kind) int {
	if i, ok := k.Order(); ok {
		return i
	}
	return len(apisix.Kinds)
}

// equal tells whether two resources have the same bytes on the wire.
func equal(a, b *translate.Resource) bool {
	return a.Kind == b.Kind && a.ID == b.ID && bytes.Equal(a.JSON, b.JSON) && slices.Equal(a.Sources, b.Sources)
}

func wellFormed(rs []*translate.Resource) bool {
	for i, r := range rs {
		if check(r) != nil || i > 0 && compare(rs[i-1], r) >= 0 {
			return false
		}
	}
	return true
}

func check(r *translate.Resource) error {
	if r == nil {
		return fmt.Errorf("a resource of the output is nil")
	}
	if _, ok := r.Kind.Order(); !ok {
		return fmt.Errorf("resource %q: APISIX has no kind %q", r.Name(), r.Kind)
	}
	if !apisix.ValidID(r.ID) {
		return fmt.Errorf("resource %q: APISIX refuses the id %q; ids are made with apisix.ID", r.Name(), r.ID)
	}
	if len(r.JSON) == 0 {
		return fmt.Errorf("resource %q has no JSON", r.Name())
	}
	return nil
}

// sanitize sorts rs, and drops what cannot be sent: of two resources with one name the second one.
func sanitize(rs []*translate.Resource) (good []*translate.Resource, refused []error) {
	good = make([]*translate.Resource, 0, len(rs))
	for _, r := range rs {
		if err := check(r); err != nil {
			refused = append(refused, err)
			continue
		}
		good = append(good, r)
	}
	slices.SortStableFunc(good, compare)
	good = slices.CompactFunc(good, func(a, b *translate.Resource) bool {
		if compare(a, b) != 0 {
			return false
		}
		refused = append(refused, fmt.Errorf("resource %q is in the output twice", b.Name()))
		return true
	})
	return good, refused
}

// find returns the marshalled resource of that name, or nil.
func (v *view) find(name string) *discovery.Resource {
	kind, id, ok := apisix.SplitName(name)
	if !ok {
		return nil
	}
	i, ok := slices.BinarySearchFunc(v.resources, &translate.Resource{Kind: kind, ID: id}, compare)
	if !ok {
		return nil
	}
	return v.wires[i]
}

// same tells whether the two views have the same marshalled resources.
func (v *view) same(old *view) bool {
	return v == old || len(v.wires) == len(old.wires) && (len(v.wires) == 0 || &v.wires[0] == &old.wires[0])
}

// since is the difference to old. It is computed once and must not be written to.
func (v *view) since(old *view) *delta {
	if v.same(old) {
		return noDelta
	}
	key := weak.Make(old)
	v.mu.Lock()
	defer v.mu.Unlock()
	if d := v.deltas[key]; d != nil {
		return d
	}
	d := v.diff(old)
	if len(v.deltas) >= maxDeltas {
		clear(v.deltas)
	}
	if v.deltas == nil {
		v.deltas = map[weak.Pointer[view]]*delta{}
	}
	v.deltas[key] = d
	return d
}

func (v *view) diff(old *view) *delta {
	d := &delta{}
	i, j := 0, 0
	for i < len(v.wires) || j < len(old.wires) {
		var c int
		switch {
		case j == len(old.wires):
			c = -1
		case i == len(v.wires):
			c = 1
		case v.wires[i] != old.wires[j]:
			c = compare(v.resources[i], old.resources[j])
		}
		switch {
		case c < 0:
			d.changed = append(d.changed, v.wires[i])
			i++
		case c > 0:
			d.removed = append(d.removed, old.wires[j].Name)
			j++
		default:
			if v.wires[i] != old.wires[j] && v.wires[i].Version != old.wires[j].Version {
				d.changed = append(d.changed, v.wires[i])
			}
			i, j = i+1, j+1
		}
	}
	slices.Sort(d.removed)
	return d
}

// against is the difference to what a client says it holds, by name. All of a view is shared, not copied.
func (v *view) against(held map[string]string) *delta {
	if len(held) == 0 {
		return &delta{changed: v.wires}
	}
	d := &delta{}
	known := 0
	for _, w := range v.wires {
		version, ok := held[w.Name]
		if ok {
			known++
		}
		if !ok || version != w.Version {
			d.changed = append(d.changed, w)
		}
	}
	if known < len(held) {
		for name := range held {
			if v.find(name) == nil {
				d.removed = append(d.removed, name)
			}
		}
		slices.Sort(d.removed)
	}
	return d
}

// with adds to d what the client asks for by name: it gets these resources again, or hears that they do not exist.
func (v *view) with(d *delta, names []string) *delta {
	asked := map[string]bool{}
	out := &delta{removed: slices.Clone(d.removed)}
	for _, name := range names {
		if v.find(name) == nil {
			out.removed = append(out.removed, name)
		} else {
			asked[name] = true
		}
	}
	slices.Sort(out.removed)
	out.removed = slices.Compact(out.removed)
	for _, w := range d.changed {
		asked[w.Name] = true
	}
	for _, w := range v.wires {
		if asked[w.Name] {
			out.changed = append(out.changed, w)
		}
	}
	return out
}

// id tells views of different content apart. It is the same in every replica.
func (v *view) id() string {
	h := sha256.New()
	for _, w := range v.wires {
		h.Write([]byte(w.Version))
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
