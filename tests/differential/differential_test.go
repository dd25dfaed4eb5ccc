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

package differential

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"istio.io/istio/pkg/kube/krt"
	"istio.io/istio/pkg/log"
)

const (
	// defaultConfigs is how many configurations a plain `go test` plays, defaultCalls how many calls to each.
	defaultConfigs = 60
	defaultCalls   = 20
	// shown is how many kinds of disagreement are made small.
	shown = 30
	// workers play in parallel.
	workers = 2
)

func TestMain(m *testing.M) {
	// It keeps every collection that was ever made.
	krt.GlobalDebugHandler = nil
	for _, s := range log.Scopes() {
		s.SetOutputLevel(log.NoneLevel)
	}
	os.Exit(m.Run())
}

// TestRandom plays random calls to random configurations. DIFF_SEED, DIFF_CONFIGS and DIFF_CALLS choose them: the n-th
// configuration has the seed DIFF_SEED+n.
func TestRandom(t *testing.T) {
	first := environment(t, "DIFF_SEED", 1)
	configs := environment(t, "DIFF_CONFIGS", defaultConfigs)
	calls := environment(t, "DIFF_CALLS", defaultCalls)
	n := &counts{}
	found := &findings{}
	inParallel(t, int(configs), func(t *testing.T, i int) {
		seed := first + uint64(i)
		s := newScenario(seed)
		s.addRoutes(t, seed)
		s.chooseFamily(family(environment(t, "DIFF_FAMILY", 0)), seed)
		for _, d := range s.compare(t, s.useFamily(s.calls(seed, int(calls)), seed), n) {
			found.add(d, fmt.Sprintf("DIFF_SEED=%d DIFF_CONFIGS=1", seed))
		}
	})
	t.Logf("%d configurations from seed %d:\n%s", configs, first, n)
	found.report(t)
}

// inParallel calls play for 0 to n-1.
func inParallel(t *testing.T, n int, play func(t *testing.T, i int)) {
	var next atomic.Int64
	t.Run("play", func(t *testing.T) {
		for w := range workers {
			t.Run(fmt.Sprint(w), func(t *testing.T) {
				t.Parallel()
				for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
					play(t, int(i))
				}
			})
		}
	})
}

// findings are the disagreements by their signatures.
type findings struct {
	mu    sync.Mutex
	order []string
	first map[string]*disagreement
	from  map[string]string
	count map[string]int
}

func (f *findings) add(d *disagreement, from string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.first == nil {
		f.first, f.from, f.count = map[string]*disagreement{}, map[string]string{}, map[string]int{}
	}
	k := d.signature()
	if f.count[k]++; f.count[k] == 1 {
		f.order = append(f.order, k)
		f.first[k], f.from[k] = d, from
	}
}

// report fails the test with the smallest scenario of each kind of disagreement.
func (f *findings) report(t *testing.T) {
	for i, k := range f.order {
		d := f.first[k]
		if i < shown {
			d = d.shrink(t)
			t.Errorf("%d x disagreement (%s): %v\n%v", f.count[k], f.from[k], d, d.scenario)
		} else {
			t.Errorf("%d x disagreement (%s): %v", f.count[k], f.from[k], d)
		}
	}
}
