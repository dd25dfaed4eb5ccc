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
	"cmp"
	"slices"
	"strings"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// Translate makes the output for cfg. Prev is an earlier output, or nil: what it holds and is still true is taken over,
// pointer and all, and a configuration that was translated before gives prev itself.
func Translate(cfg *ir.Config, prev *Output) *Output {
	if prev != nil && prev.config == cfg {
		return prev
	}
	t := translator{cfg: cfg, prev: prev, out: &Output{config: cfg}}
	if prev != nil && sameRoutes(cfg, prev.config) && len(cfg.Clusters) == len(prev.upstreams) {
		t.replaceUpstreams()
	} else {
		t.upstreams()
		t.routes()
		t.streamRoutes()
		t.gateway()
		t.clientCertificates()
		t.takeOver()
	}
	t.diagnostics()
	return t.out
}

// sameRoutes says that two configurations share their routes, as they do when only endpoints of one push
// context changed.
func sameRoutes(a, b *ir.Config) bool {
	return a.CatchAll == b.CatchAll && a.Gateway == b.Gateway && sameSlice(a.VirtualHosts, b.VirtualHosts) && sameSlice(a.TCP, b.TCP)
}

// sameSlice says that two slices are one and the same.
func sameSlice[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

type translator struct {
	cfg  *ir.Config
	prev *Output
	out  *Output
	// buf is where JSON is made; the bytes that are kept are cut to size.
	buf []byte
	// exprs are the conditions of the route at hand.
	exprs []apisix.Expr
}

// appender is an APISIX object.
type appender interface {
	AppendJSON(b []byte) []byte
}

func (t *translator) resource(kind apisix.Kind, id string, object appender, sources []ir.Source) *Resource {
	t.buf = object.AppendJSON(t.buf[:0])
	return &Resource{Kind: kind, ID: id, JSON: slices.Clone(t.buf), Sources: sources}
}

// upstreams translates the clusters; those that did not change keep their resources.
func (t *translator) upstreams() {
	t.out.upstreams = make([]*Resource, len(t.cfg.Clusters))
	t.out.Resources = make([]*Resource, 0, len(t.cfg.Clusters)+2*len(t.cfg.VirtualHosts)+1)
	i := 0
	for n, c := range t.cfg.Clusters {
		if t.prev != nil {
			old := t.prev.config.Clusters
			for i < len(old) && old[i].Name < c.Name {
				i++
			}
			if i < len(old) && old[i] == c {
				t.out.upstreams[n] = t.prev.upstreams[i]
			}
		}
		if t.out.upstreams[n] == nil {
			t.out.upstreams[n] = t.upstream(c)
		}
	}
	t.out.Resources = append(t.out.Resources, t.out.upstreams...)
}

// replaceUpstreams translates the clusters that changed; everything else stays as it is.
func (t *translator) replaceUpstreams() {
	t.out.Resources = slices.Clone(t.prev.Resources)
	t.out.upstreams = slices.Clone(t.prev.upstreams)
	t.out.routes = t.prev.routes
	for n, c := range t.cfg.Clusters {
		if c == t.prev.config.Clusters[n] {
			continue
		}
		r := t.upstream(c)
		if sameResource(r, t.prev.upstreams[n]) {
			continue
		}
		t.out.upstreams[n] = r
		if i, ok := slices.BinarySearchFunc(t.out.Resources, r, compareResources); ok {
			t.out.Resources[i] = r
		}
	}
}

// takeOver sorts the resources and puts those of the previous output in place of new ones with the same content.
func (t *translator) takeOver() {
	slices.SortFunc(t.out.Resources, compareResources)
	if t.prev == nil {
		return
	}
	old := t.prev.Resources
	for n, r := range t.out.Resources {
		for len(old) > 0 && compareResources(old[0], r) < 0 {
			old = old[1:]
		}
		if len(old) > 0 && sameResource(old[0], r) {
			t.out.Resources[n] = old[0]
		}
	}
	for n, u := range t.out.upstreams {
		if i, ok := slices.BinarySearchFunc(t.out.Resources, u, compareResources); ok {
			t.out.upstreams[n] = t.out.Resources[i]
		}
	}
}

func sameResource(a, b *Resource) bool {
	return a == b || a.Kind == b.Kind && a.ID == b.ID && string(a.JSON) == string(b.JSON) && slices.Equal(a.Sources, b.Sources)
}

func compareResources(a, b *Resource) int {
	if a.Kind != b.Kind {
		i, _ := a.Kind.Order()
		j, _ := b.Kind.Order()
		return cmp.Compare(i, j)
	}
	return strings.Compare(a.ID, b.ID)
}

// diagnostics gathers all that was noticed on the way.
func (t *translator) diagnostics() {
	seen := map[ir.Diagnostic]struct{}{}
	add := func(list []ir.Diagnostic) {
		for _, d := range list {
			if _, dup := seen[d]; !dup {
				seen[d] = struct{}{}
				t.out.Diagnostics = append(t.out.Diagnostics, d)
			}
		}
	}
	add(t.cfg.Diagnostics)
	for _, h := range t.cfg.VirtualHosts {
		add(h.Diagnostics)
	}
	add(t.out.routes)
	for _, c := range t.cfg.Clusters {
		add(c.Diagnostics)
	}
}
