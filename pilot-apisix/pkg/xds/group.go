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
	"runtime"
	"slices"
	"sync"
	"weak"

	"istio.io/istio/pilot/pkg/model"

	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// keptStates is how many states of the world a group remembers the view of. While a push is under way some of its
// connections are still in the state before, and a few that are asking for the first time may be in others.
const keptStates = 4

// world is a state of the world: what a computation read. The pointers are weak so that an idle group keeps no push
// context alive; they stay comparable when it is gone.
type world struct {
	// push is the context of the push, or the last one of the proxy when the proxy asks.
	push weak.Pointer[model.PushContext]
	// global is the context that was the newest one before the computation began.
	global weak.Pointer[model.PushContext]
}

// outcome is the view of one state of the world, or why there is none. The view is there as long as a connection has it.
type outcome struct {
	world
	view weak.Pointer[view]
	err  error
}

// group is the proxies with one key. Its connections keep it alive.
type group struct {
	// mu is held during a computation, so that the connections which need the same view wait for it.
	mu sync.Mutex
	// recent is newest first.
	recent []outcome
	// last is the view that was computed last.
	last *view
	// share counts the diagnostics of last.
	share *share
}

// at returns the view of the group in w, and whether it had to be computed. A computation that failed is not repeated in
// the same state for the other connections of the group, unless retry is set.
func (g *group) at(w world, retry bool, compute func(prev *view) (*view, error)) (v *view, computed bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range g.recent {
		o := &g.recent[i]
		if o.world != w {
			continue
		}
		if v := o.view.Value(); v != nil {
			return v, false, nil
		}
		if o.err != nil && !retry {
			return nil, false, o.err
		}
	}
	v, err = compute(g.last)
	g.remember(outcome{world: w, view: weak.Make(v), err: err})
	if err == nil {
		g.share.set(v.out.Diagnostics)
		g.last = v
	}
	return v, true, err
}

func (g *group) remember(o outcome) {
	g.recent = slices.DeleteFunc(g.recent, func(old outcome) bool { return old.world == o.world })
	if len(g.recent) >= keptStates {
		g.recent = g.recent[:keptStates-1]
	}
	g.recent = slices.Insert(g.recent, 0, o)
}

// groups finds the group of a key.
type groups struct {
	mu          sync.Mutex
	byKey       map[any]weak.Pointer[group]
	diagnostics *tally
}

func newGroups() *groups {
	return &groups{byKey: map[any]weak.Pointer[group]{}, diagnostics: &tally{n: map[string]int{}}}
}

// of returns the group of key, which must be comparable. The caller keeps it alive.
func (s *groups) of(key any) *group {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.byKey[key].Value(); g != nil {
		return g
	}
	g := &group{share: &share{tally: s.diagnostics}}
	s.byKey[key] = weak.Make(g)
	runtime.AddCleanup(g, s.drop, gone{key, g.share})
	groupsInUse.RecordInt(int64(len(s.byKey)))
	return g
}

// gone is what is known of a group when no connection needs it any more.
type gone struct {
	key   any
	share *share
}

func (s *groups) drop(old gone) {
	old.share.set(nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	// A proxy of this key can have come back before the old group was collected.
	if s.byKey[old.key].Value() == nil {
		delete(s.byKey, old.key)
	}
	groupsInUse.RecordInt(int64(len(s.byKey)))
}

func (s *groups) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.byKey)
}

// tally counts diagnostics over all groups, by code.
type tally struct {
	mu sync.Mutex
	n  map[string]int
}

// share is the part of one group in a tally. It is used under the group's lock, and after the group is gone.
type share struct {
	tally *tally
	n     map[string]int
}

// set replaces the diagnostics of the group.
func (c *share) set(diagnostics []ir.Diagnostic) {
	if len(diagnostics) == 0 && len(c.n) == 0 {
		return
	}
	n := map[string]int{}
	for i := range diagnostics {
		n[diagnostics[i].Code]++
	}
	c.tally.mu.Lock()
	defer c.tally.mu.Unlock()
	for code, count := range c.n {
		c.tally.n[code] -= count
		if n[code] == 0 {
			c.tally.record(code)
		}
	}
	for code, count := range n {
		c.tally.n[code] += count
		c.tally.record(code)
	}
	c.n = n
}

// record must be called with the lock.
func (t *tally) record(code string) {
	diagnosticsByCode.With(codeTag.Value(code)).RecordInt(int64(t.n[code]))
	if t.n[code] == 0 {
		delete(t.n, code)
	}
}
