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

package etcdapi

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var testKinds = []string{"upstreams", "services", "plugins", "plugin_configs", "routes", "stream_routes"}

// randomOps changes a few keys of all kinds, values of a few bytes to a few KiB.
func randomOps(rnd *rand.Rand, n int) []Op {
	ops := make([]Op, n)
	for i := range ops {
		key := fmt.Sprintf("/apisix/%s/%d", testKinds[rnd.IntN(len(testKinds))], rnd.IntN(20))
		if rnd.IntN(3) == 0 {
			ops[i] = del(key)
		} else {
			ops[i] = put(key, fmt.Sprint(rnd.Uint64())+strings.Repeat("x", rnd.IntN(2000)))
		}
	}
	return ops
}

// TestWatchersConverge: workers that load and start at any time, with pauses between load and start, that come back after
// idle times, and that are cut by a short history, all end up with what the store holds; so they do when the agent restarts
// with higher revisions, and without its state.
func TestWatchersConverge(t *testing.T) {
	for _, tt := range []struct {
		name     string
		history  int
		first    int64
		restarts []int64 // StartRevisions; -1 is the last revision
	}{
		{name: "long history", history: 10_000},
		{name: "short history", history: 20},
		{name: "restarts", history: 1000, restarts: []int64{-1, 5000, -1}},
		{name: "lost state", history: 100, first: 1_000_000, restarts: []int64{500_000, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const workers = 12
			rnd := rand.New(rand.NewPCG(7, uint64(len(tt.name))))
			dirs := InitDirs("/apisix", testKinds[:4]) // the others are not preloaded
			start := func(addr string, opts StoreOptions, old map[string]string) *gateway {
				opts.HistoryEvents = tt.history
				s := mustStore(t, opts)
				ops := dirs
				for _, k := range sortedKeys(old) {
					ops = append(ops[:len(ops):len(ops)], put(k, old[k]))
				}
				s.Apply(ops)
				return serveStore(t, s, addr, HandlerOptions{})
			}
			g := start("127.0.0.1:0", StoreOptions{StartRevision: tt.first}, nil)

			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			defer wg.Wait()
			defer cancel()
			var mu sync.Mutex
			states := make([]map[string]string, workers)
			all := make([]*apisixStandIn, workers)
			for i := range workers {
				r := rand.New(rand.NewPCG(uint64(i), 3))
				a := &apisixStandIn{addr: g.addr, idle: time.Duration(5+r.IntN(200)) * time.Millisecond}
				all[i] = a
				wg.Go(func() {
					sleep := func(ms int) { time.Sleep(time.Duration(r.IntN(ms)) * time.Millisecond) }
					sleep(100)
					for a.load(testKinds...) != nil && ctx.Err() == nil {
						sleep(5)
					}
					sleep(50)
					for a.start() != nil && ctx.Err() == nil {
						sleep(5)
					}
					if err := a.follow(ctx, func() {
						s := a.state()
						mu.Lock()
						states[i] = s
						mu.Unlock()
					}); err != nil {
						t.Errorf("worker %d: %v", i, err)
					}
				})
			}
			churn := func() {
				for range 200 {
					g.store.Apply(randomOps(rnd, 1+rnd.IntN(8)))
					if rnd.IntN(4) == 0 {
						time.Sleep(time.Duration(rnd.IntN(2000)) * time.Microsecond)
					}
				}
			}
			churn()
			for _, rev := range tt.restarts {
				old := g.store.state()
				if rev < 0 {
					rev = g.store.Revision()
				}
				g.stop()
				// While it is away, a part of the configuration goes.
				maps.DeleteFunc(old, func(string, string) bool { return rnd.IntN(4) == 0 })
				g = start(g.addr, StoreOptions{StartRevision: rev}, old)
				churn()
			}
			want := g.store.state()
			if len(want) < 10 {
				t.Fatalf("only %d keys", len(want))
			}
			eventually(t, "every worker has the store's state", func() bool {
				mu.Lock()
				defer mu.Unlock()
				for _, s := range states {
					if !maps.Equal(s, want) {
						return false
					}
				}
				return true
			})
			// And it stays so when the next change comes.
			g.store.Apply([]Op{put("/apisix/routes/last", "1")})
			want = g.store.state()
			eventually(t, "every worker has the last change", func() bool {
				mu.Lock()
				defer mu.Unlock()
				for _, s := range states {
					if !cmp.Equal(s, want) {
						return false
					}
				}
				return true
			})
			cancel()
			wg.Wait()
			reloads := 0
			for _, a := range all {
				reloads += a.reloads
			}
			t.Logf("%d workers, revision %d, kinds that read themselves: %d", workers, g.store.Revision(), reloads)
		})
	}
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
