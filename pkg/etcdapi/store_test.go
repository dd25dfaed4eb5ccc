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
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNewStoreRefusesARevisionThatAPISIXCannotCount(t *testing.T) {
	for _, tt := range []struct {
		start int64
		want  int64 // the store's first revision, 0 for an error
	}{
		{start: 0, want: 2},
		{start: 1, want: 2},
		{start: 41, want: 42},
		{start: 1_790_000_000_000, want: 1_790_000_000_001}, // Unix time in milliseconds
		{start: maxStartRevision, want: maxStartRevision + 1},
		{start: maxStartRevision + 1},
		{start: -1},
	} {
		t.Run(fmt.Sprint(tt.start), func(t *testing.T) {
			s, err := NewStore(StoreOptions{StartRevision: tt.start})
			if (err != nil) != (tt.want == 0) {
				t.Fatalf("error: %v", err)
			}
			if err == nil && s.Revision() != tt.want {
				t.Errorf("revision %d, want %d", s.Revision(), tt.want)
			}
		})
	}
}

func TestApply(t *testing.T) {
	type keys = map[string]string // key -> value @ create/mod/version, revisions above the first one
	for _, tt := range []struct {
		name  string
		steps [][]Op
		revs  []int64 // after each step
		want  keys
	}{
		{
			name: "each change has its revision",
			steps: [][]Op{
				{put("/a", "1"), put("/b", "1")}, {put("/a", "2")}, {del("/b")}, {put("/b", "3")},
			},
			revs: []int64{2, 3, 4, 5},
			want: keys{"/a": "2 @ 1/3/2", "/b": "3 @ 5/5/1"},
		},
		{
			name:  "the same value is no change",
			steps: [][]Op{{put("/a", "1")}, {put("/a", "1"), put("/b", "")}, {put("/b", "")}},
			revs:  []int64{1, 2, 2},
			want:  keys{"/a": "1 @ 1/1/1", "/b": " @ 2/2/1"},
		},
		{
			name:  "deleting what is not there is no change",
			steps: [][]Op{{del("/a")}, {put("/a", "1"), del("/a"), del("/a")}},
			revs:  []int64{0, 2},
			want:  keys{},
		},
		{
			name:  "the same key twice in one Apply",
			steps: [][]Op{{put("/a", "1"), put("/a", "2"), del("/a"), put("/a", "2")}},
			revs:  []int64{4},
			want:  keys{"/a": "2 @ 4/4/1"},
		},
		{
			name:  "no key, no change",
			steps: [][]Op{nil, {put("", "1"), del("")}},
			revs:  []int64{0, 0},
			want:  keys{},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := mustStore(t, StoreOptions{})
			base := s.Revision()
			for i, ops := range tt.steps {
				if got := s.Apply(ops) - base; got != tt.revs[i] {
					t.Errorf("step %d: revision %d, want %d", i, got, tt.revs[i])
				}
			}
			got := keys{}
			kvs, rev := s.snapshot(interval{key: "/", open: true})
			for _, e := range kvs {
				got[e.key] = fmt.Sprintf("%s @ %d/%d/%d", e.value, e.create-base, e.mod-base, e.version)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("keys (-want +got):\n%s", d)
			}
			if rev != s.Revision() || !slices.IsSortedFunc(kvs, func(x, y *kv) int { return strings.Compare(x.key, y.key) }) {
				t.Errorf("snapshot at %d of %d, sorted: %v", rev, s.Revision(), kvs)
			}
		})
	}
}

func TestApplySharesValues(t *testing.T) {
	s := mustStore(t, StoreOptions{})
	v := []byte("value")
	s.Apply([]Op{{Key: "/a", Value: v}})
	if got, ok := s.Get("/a"); !ok || &got[0] != &v[0] {
		t.Error("the value was copied")
	}
	if _, ok := s.Get("/b"); ok {
		t.Error("a key that nobody put is there")
	}
}

func TestInitDirs(t *testing.T) {
	want := []Op{put("/apisix/routes/", "init_dir"), put("/apisix/plugin_metadata/", "init_dir")}
	for _, prefix := range []string{"/apisix", "/apisix/"} {
		if d := cmp.Diff(want, InitDirs(prefix, []string{"routes", "/plugin_metadata/", "", "/"})); d != "" {
			t.Errorf("%s (-want +got):\n%s", prefix, d)
		}
	}
	s := mustStore(t, StoreOptions{})
	s.Apply(InitDirs("/apisix", Directories()))
	if n := s.Stats().Keys; n != 13 {
		t.Errorf("%d directories, APISIX 3.18 has 13", n)
	}
}

// TestHistory checks against a plain list of all events that the history holds a suffix of it without a gap, within its
// limits, and that it knows what it dropped.
func TestHistory(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts StoreOptions
		big  int // the largest value
	}{
		{"by events", StoreOptions{HistoryEvents: 10}, 10},
		{"by bytes", StoreOptions{HistoryBytes: 20_000}, 3000},
		{"frames cut", StoreOptions{HistoryEvents: 50}, maxFrameBytes / 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := mustStore(t, tt.opts)
			base := s.Revision()
			rnd := rand.New(rand.NewPCG(1, 2))
			var keys []string // the key of each revision above base
			blob := strings.Repeat("x", tt.big)
			for range 100 {
				var ops []Op
				for range 1 + rnd.IntN(6) {
					k := fmt.Sprintf("/k%d", rnd.IntN(5))
					ops = append(ops, put(k, fmt.Sprint(len(keys))+blob[:rnd.IntN(tt.big)]))
					keys = append(keys, k)
				}
				before := s.Revision()
				s.Apply(ops)
				st := s.Stats()
				if st.CompactRevision > before+1 {
					t.Fatalf("the last Apply was dropped: compact %d, it began at %d", st.CompactRevision, before+1)
				}
				if st.HistoryEvents > s.history.maxEvents && st.CompactRevision != before+1 {
					t.Fatalf("%d events, the limit is %d", st.HistoryEvents, s.history.maxEvents)
				}
				if st.HistoryBytes > s.history.maxBytes && st.CompactRevision != before+1 {
					t.Fatalf("%d bytes, the limit is %d", st.HistoryBytes, s.history.maxBytes)
				}
				for next := st.CompactRevision; next <= st.Revision+1; next++ {
					at := next
					for at <= st.Revision {
						v := s.since(at, 1, nil)
						if len(v.batches) != 1 || v.batches[0].first > at {
							t.Fatalf("no batch for revision %d: %+v", at, v)
						}
						for _, e := range v.batches[0].events {
							if e.kv.mod >= at && e.kv.key != keys[e.kv.mod-base-1] {
								t.Fatalf("revision %d is of %s, want %s", e.kv.mod, e.kv.key, keys[e.kv.mod-base-1])
							}
						}
						if b := v.batches[0]; len(b.events) > 1 && b.encoded > maxFrameBytes {
							t.Fatalf("a frame of %d bytes", b.encoded)
						}
						at = v.batches[0].last + 1
					}
				}
			}
			if st := s.Stats(); st.CompactRevision == base+1 {
				t.Errorf("nothing was ever dropped: %+v", st)
			}
		})
	}
}

// TestFrameSize keeps the estimate that a frame's buffer is made from above the truth.
func TestFrameSize(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 1000, 100_000} {
		e := event{kv: &kv{key: "/apisix/routes/1", value: make([]byte, n), create: MaxRevision, mod: MaxRevision, version: MaxRevision}}
		e.kv.wireKey = string(appendBytes(nil, []byte(e.kv.key)))
		b := &batch{events: []event{e}, first: MaxRevision, last: MaxRevision, encoded: e.encodedSize()}
		frame := b.frame()
		if cap(frame) != b.encoded+frameOverhead || len(frame) > cap(frame) {
			t.Errorf("value of %d bytes: the frame grew from %d to %d", n, b.encoded+frameOverhead, cap(frame))
		}
		e.deleted = true
		if got := len(appendEvent(nil, e)); got > e.encodedSize() {
			t.Errorf("the tombstone has %d bytes, more than %d", got, e.encodedSize())
		}
	}
}
