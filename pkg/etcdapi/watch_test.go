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
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWatchSelects(t *testing.T) {
	g := newGateway(t, StoreOptions{}, HandlerOptions{})
	base := g.store.Revision()
	g.store.Apply([]Op{put("/a/1", "x"), put("/b", "y")})
	g.store.Apply([]Op{put("/a/2", "z"), del("/a/1")})
	create := func(key, end string, start int64, more string) string {
		return fmt.Sprintf(`{"create_request":{"key":"%s","range_end":"%s","start_revision":"%d"%s}}`, b64(key), b64(end), start, more)
	}
	for _, tt := range []struct {
		name, body string
		want       []string
		id         int64
	}{
		{name: "prefix", body: create("/a/", "/a0", base+1, ""), want: []string{"PUT /a/1=x", "PUT /a/2=z", "DELETE /a/1"}},
		{name: "from the middle of an Apply", body: create("/a/", "/a0", base+4, ""), want: []string{"DELETE /a/1"}},
		{name: "one key", body: create("/a/1", "", base+1, ""), want: []string{"PUT /a/1=x", "DELETE /a/1"}},
		{name: "no key is the first one", body: create("", "\x00", base+1, ""), want: []string{"PUT /a/1=x", "PUT /b=y", "PUT /a/2=z", "DELETE /a/1"}},
		{name: "from a key on", body: create("/a/2", "\x00", base+1, ""), want: []string{"PUT /b=y", "PUT /a/2=z"}},
		{name: "no puts", body: create("/", "0", base+1, `,"filters":["NOPUT"]`), want: []string{"DELETE /a/1"}},
		{name: "no deletions", body: create("/a/1", "", base+1, `,"filters":[1]`), want: []string{"PUT /a/1=x"}},
		{name: "an id", body: create("/b", "", base+1, `,"watch_id":7`), want: []string{"PUT /b=y"}, id: 7},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, created := watchWith(t, g.addr, tt.body)
			m := w.mustMessage(t)
			diff(t, "events", tt.want, eventStrings(m))
			if created.Result.WatchID != tt.id || m.Result.WatchID != tt.id {
				t.Errorf("watch ids %d and %d, want %d", created.Result.WatchID, m.Result.WatchID, tt.id)
			}
			if m.Result.Header.Revision != base+4 {
				t.Errorf("the message tells revision %d, everything up to %d was delivered", m.Result.Header.Revision, base+4)
			}
		})
	}

	t.Run("now", func(t *testing.T) {
		w, _ := watchFrom(t, g.addr, 0)
		w.mustBeQuiet(t)
		g.store.Apply([]Op{put("/other", "1"), put("/apisix/routes/r", "1")})
		diff(t, "events", []string{"PUT /apisix/routes/r=1"}, eventStrings(w.mustMessage(t)))
		g.store.Apply([]Op{put("/other", "2")})
		w.mustBeQuiet(t)
	})
	t.Run("an empty range", func(t *testing.T) {
		s, w := watchWith(t, g.addr, create("/b", "/a", base+1, ""))
		if !w.Result.Canceled || w.Result.CancelReason != "mvcc: watcher range is empty" || w.Result.WatchID != -1 {
			t.Errorf("%+v", w)
		}
		if _, err := s.chunk(patience); !errors.Is(err, errEndOfStream) {
			t.Errorf("it goes on: %v", err)
		}
	})
	t.Run("progress", func(t *testing.T) {
		p := serveStore(t, g.store, "127.0.0.1:0", HandlerOptions{ProgressInterval: 10 * time.Millisecond})
		s, _ := watchWith(t, p.addr, create("/none", "", 0, `,"progress_notify":true`))
		for range 3 {
			if w := s.mustMessage(t); w.Result.Header.Revision != g.store.Revision() || len(w.Result.Events) != 0 || w.Result.Canceled {
				t.Errorf("%+v", w)
			}
		}
		s, _ = watchWith(t, p.addr, create("/none", "", 0, ""))
		s.mustBeQuiet(t)
	})
}

// TestStartRevisionOutOfHistory covers an agent that restarts with higher revisions, as it should, and with lower ones,
// when its state was lost.
func TestStartRevisionOutOfHistory(t *testing.T) {
	for _, tt := range []struct {
		name    string
		next    int64 // StartRevision after the restart
		compact int64 // above the newest revision of the new store
	}{
		{name: "higher", next: 1_000, compact: -1},
		{name: "exactly the last one", next: 103, compact: -1},
		{name: "lower", next: 50, compact: 1},
		{name: "lost", next: 0, compact: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var mu sync.Mutex
			var logged int
			g := newGateway(t, StoreOptions{StartRevision: 100}, HandlerOptions{})
			g.store.Apply([]Op{put("/apisix/routes/r1", "1"), put("/apisix/routes/r2", "2")}) // up to 103
			w, _ := watchFrom(t, g.addr, 104)
			g.stop()
			if _, err := w.chunk(patience); !errors.Is(err, errEndOfStream) {
				t.Errorf("the stream does not end properly when the agent stops: %v", err)
			}

			g = newGateway(t, StoreOptions{StartRevision: tt.next}, HandlerOptions{Logf: func(string, ...any) {
				mu.Lock()
				defer mu.Unlock()
				logged++
			}})
			g.store.Apply([]Op{put("/apisix/routes/r1", "1"), put("/apisix/routes/r3", "3")})
			rev := g.store.Revision()
			w, _ = watchFrom(t, g.addr, 104)
			m := w.mustMessage(t)
			if !m.Result.Canceled || m.Result.CompactRevision != rev+tt.compact || m.Result.CompactRevision == 0 {
				t.Fatalf("newest revision %d: %+v", rev, m)
			}
			mu.Lock()
			if logged != 1 {
				t.Errorf("%d log lines", logged)
			}
			mu.Unlock()
			// APISIX reads again and comes back from the compact revision; it must not be refused again, and must get
			// what happens from then on.
			after := m.Result.CompactRevision
			g.store.Apply([]Op{put("/apisix/routes/r4", "4")})
			w, _ = watchFrom(t, g.addr, after)
			events := eventStrings(w.mustMessage(t))
			diff(t, "last event", "PUT /apisix/routes/r4=4", events[len(events)-1])
		})
	}
}

// TestSlowWatcherIsCut: a client that falls behind the history gets what was on its way, then the cancellation, and the
// store does not keep old events for it.
func TestSlowWatcherIsCut(t *testing.T) {
	g := newGateway(t, StoreOptions{HistoryEvents: 8}, HandlerOptions{})
	w, _ := watchFrom(t, g.addr, g.store.Revision()+1)
	big := strings.Repeat("x", 1<<20)
	for i := range 100 {
		g.store.Apply([]Op{put("/apisix/routes/r", fmt.Sprint(i, big))})
	}
	// On a busy machine the watcher may have been cut already.
	if st := g.store.Stats(); st.HistoryEvents > 8 || st.Watchers > 0 && st.Delivered >= st.Revision {
		t.Fatalf("the watcher is not behind, or the history grew: %+v", st)
	}
	last := int64(0)
	for {
		m := w.mustMessage(t)
		if m.Result.Canceled {
			if m.Result.CompactRevision <= last+1 {
				t.Errorf("canceled at %d although nothing is missing after %d", m.Result.CompactRevision, last)
			}
			break
		}
		if m.Result.Header.Revision <= last {
			t.Fatalf("revision %d after %d", m.Result.Header.Revision, last)
		}
		last = m.Result.Header.Revision
	}
	eventually(t, "the stream is gone", func() bool { return g.store.Stats().Watchers == 0 })
}

// TestStuckClientIsDisconnected: a client that reads nothing holds a goroutine only for WriteTimeout.
func TestStuckClientIsDisconnected(t *testing.T) {
	g := newGateway(t, StoreOptions{}, HandlerOptions{WriteTimeout: 50 * time.Millisecond})
	watchFrom(t, g.addr, g.store.Revision()+1)
	if g.store.Stats().Watchers != 1 {
		t.Fatal("no watcher")
	}
	for i := range 8 {
		g.store.Apply([]Op{put("/apisix/routes/r", fmt.Sprint(i, strings.Repeat("x", 3<<20)))})
	}
	eventually(t, "the stream is gone", func() bool { return g.store.Stats().Watchers == 0 })
}

// TestMessagesAreChunks: whatever its size, a message is one chunk with one newline, at its end.
func TestMessagesAreChunks(t *testing.T) {
	g := newGateway(t, StoreOptions{}, HandlerOptions{})
	w, _ := watchFrom(t, g.addr, g.store.Revision()+1)
	for _, n := range []int{0, 1, 1000, 2048, 4096, 5000, 70_000, maxFrameBytes + 1} {
		v := strings.Repeat("\n", n)
		g.store.Apply([]Op{put("/apisix/routes/r", v), put("/apisix/routes/s", v)})
		var got []string
		for len(got) < 2 {
			got = append(got, eventStrings(w.mustMessage(t))...) // checks the chunk
		}
		if d := cmp.Diff([]string{"PUT /apisix/routes/r=" + v, "PUT /apisix/routes/s=" + v}, got); d != "" {
			t.Errorf("%d bytes (-want +got):\n%s", n, d)
		}
	}
}

// TestFramesAreShared: streams that want a whole batch send the same bytes.
func TestFramesAreShared(t *testing.T) {
	s := mustStore(t, StoreOptions{})
	base := s.Apply([]Op{put("/apisix/routes/a", "1"), put("/apisix/upstreams/u", "2")})
	v := s.since(base-1, maxFrameBytes, nil)
	all := func(iv interval, next int64) []byte {
		return (&stream{iv: iv, next: next}).frame(v.batches)
	}
	prefix := newInterval([]byte("/apisix/"), []byte("/apisix0"))
	one, two := all(prefix, base-1), all(newInterval([]byte("/"), []byte{0}), base-1)
	if &one[0] != &two[0] {
		t.Error("two streams that want everything have two frames")
	}
	if part := all(prefix, base); &part[0] == &one[0] || bytes.Contains(part, []byte(b64("/apisix/routes/a"))) {
		t.Errorf("a stream that is further got the whole batch: %s", part)
	}
	if none := all(newInterval([]byte("/other"), nil), base-1); none != nil {
		t.Errorf("a frame without events: %s", none)
	}
	// Several batches are joined from their encoded parts.
	s.Apply([]Op{del("/apisix/routes/a")})
	v = s.since(base-1, maxFrameBytes, nil)
	joined := all(prefix, base-1)
	for i, b := range v.batches {
		if len(v.batches) != 2 || !bytes.Contains(joined, b.eventList()) {
			t.Errorf("batch %d of %d is not in %s", i, len(v.batches), joined)
		}
	}
}

// TestIdleStreamsCostNothing: quiet streams are not woken, and when their clients go they leave nothing behind.
func TestIdleStreamsCostNothing(t *testing.T) {
	g := newGateway(t, StoreOptions{}, HandlerOptions{})
	g.store.Apply([]Op{put("/apisix/routes/r", "1")})
	before := runtime.NumGoroutine()
	var streams []*luaStreamStandIn
	for range 20 {
		w, _ := watchFrom(t, g.addr, g.store.Revision()+1)
		streams = append(streams, w)
	}
	if st := g.store.Stats(); st.Watchers != 20 || st.Delivered != st.Revision {
		t.Errorf("%+v", st)
	}
	for _, w := range streams {
		w.mustBeQuiet(t)
		w.close()
	}
	// The server's own goroutines may not all have started when they were counted first.
	eventually(t, "the goroutines end", func() bool { return runtime.NumGoroutine() < before+10 && g.store.Stats().Watchers == 0 })
}

// TestServeEndsWithItsContext: streams end with a proper last chunk, a listener that breaks is an error.
func TestServeEndsWithItsContext(t *testing.T) {
	g := newGateway(t, StoreOptions{}, HandlerOptions{})
	w, _ := watchFrom(t, g.addr, 0)
	begin := time.Now()
	g.stop()
	if _, err := w.chunk(patience); !errors.Is(err, errEndOfStream) {
		t.Errorf("the stream ended with %v", err)
	}
	if d := time.Since(begin); d > patience {
		t.Errorf("it took %v", d)
	}
	if _, err := send(g.addr, http.MethodGet, "/version", ""); err == nil {
		t.Error("it still answers")
	}

	l, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := Serve(context.Background(), l, http.NotFoundHandler()); err == nil {
		t.Error("Serve on a closed listener returned nil")
	}
}
