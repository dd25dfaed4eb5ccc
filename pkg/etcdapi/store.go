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
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
)

const (
	// MaxRevision is the highest revision that survives APISIX: lua-cjson writes numbers with 14 significant digits, so
	// a start_revision above it would arrive rounded and in exponent form.
	MaxRevision = 99_999_999_999_999

	// maxStartRevision leaves room for 90 years of a thousand revisions per second above any start.
	maxStartRevision = MaxRevision - 3_000_000_000_000

	// defaultHistoryEvents and defaultHistoryBytes hold what a sidecar's streams miss while they reconnect (3 s), and a
	// push of everything that is followed closely by another.
	defaultHistoryEvents = 16384
	defaultHistoryBytes  = 16 << 20
)

// StoreOptions configures a Store. The zero value is usable where no APISIX outlives the store.
type StoreOptions struct {
	// StartRevision is a revision that is not below any that was served before; the first one of the store is above it.
	// The package documentation tells how to choose it.
	StartRevision int64
	// HistoryEvents bounds the number of events that are kept for watchers (0: 16,384).
	HistoryEvents int
	// HistoryBytes bounds the memory of these events, raw and encoded (0: 16 MiB). The events of the last Apply are
	// always kept, whatever their size: dropping them would make every watcher read everything again.
	HistoryBytes int64
}

// Op is one change of the key space.
type Op struct {
	// Key is the full key, such as /apisix/routes/1. An Op without a key does nothing.
	Key string
	// Value is the new value. It is shared with every reader from then on: the caller never changes it again.
	Value []byte
	// Delete removes the key; Value is ignored.
	Delete bool
}

// Stats is a snapshot of a store's size and of the streams that read it.
type Stats struct {
	// Revision is the newest revision; CompactRevision is the lowest one from which a watch can start.
	Revision, CompactRevision int64
	// Keys is the number of keys; HistoryEvents and HistoryBytes measure the events that are kept for watchers.
	Keys, HistoryEvents int
	HistoryBytes        int64
	// Watchers is the number of open streams, and Delivered the highest revision that all of them have been given:
	// the newest revision if there is no stream.
	Watchers  int
	Delivered int64
}

// kv is one version of a key. It is never changed once it is visible, so that readers share it without a lock.
type kv struct {
	key, wireKey         string // wireKey is the key as it stands in JSON: in base64, between quotes
	value                []byte
	create, mod, version int64
}

// Store is a key space in memory with revisions and a bounded history. All methods may be called concurrently.
type Store struct {
	mu      sync.RWMutex
	kvs     []*kv // in key order
	rev     int64
	history history
	changed chan struct{} // closed and replaced by every Apply that changed something

	streamsMu sync.Mutex
	streams   map[*stream]struct{}
}

// NewStore returns an empty store. It fails when StartRevision is negative or so high that APISIX could not count on
// from it, which means that the place where the caller keeps it is damaged.
func NewStore(opts StoreOptions) (*Store, error) {
	if opts.StartRevision < 0 || opts.StartRevision > maxStartRevision {
		return nil, fmt.Errorf("etcdapi: StartRevision %d is not within 0 and %d: remove the saved revision and start from "+
			"the Unix time in milliseconds", opts.StartRevision, int64(maxStartRevision))
	}
	if opts.HistoryEvents <= 0 {
		opts.HistoryEvents = defaultHistoryEvents
	}
	if opts.HistoryBytes <= 0 {
		opts.HistoryBytes = defaultHistoryBytes
	}
	// One above the start: an APISIX that has seen everything of the store before watches from StartRevision + 1, and
	// must be told to read again, as it cannot know what was deleted in between.
	rev := max(opts.StartRevision, 1) + 1
	return &Store{
		rev:     rev,
		history: history{first: rev + 1, maxEvents: opts.HistoryEvents, maxBytes: opts.HistoryBytes},
		changed: make(chan struct{}),
		streams: map[*stream]struct{}{},
	}, nil
}

// Apply makes the changes in their order, visible to readers at once, and returns the newest revision, which is the old
// one if nothing changed: a value equal to the present one and the deletion of a missing key are no changes. (APISIX
// builds its whole router anew on any event of a route.)
func (s *Store) Apply(ops []Op) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var events []event
	for _, op := range ops {
		if e, ok := s.apply(op); ok {
			events = append(events, e)
		}
	}
	if len(events) == 0 {
		return s.rev
	}
	s.history.add(events)
	close(s.changed)
	s.changed = make(chan struct{})
	return s.rev
}

// apply makes one change and reports whether it was one.
func (s *Store) apply(op Op) (event, bool) {
	if op.Key == "" {
		return event{}, false
	}
	i, found := s.find(op.Key)
	if op.Delete {
		if !found {
			return event{}, false
		}
		old := s.kvs[i]
		s.kvs = slices.Delete(s.kvs, i, i+1)
		s.rev++
		return event{kv: &kv{key: old.key, wireKey: old.wireKey, mod: s.rev}, deleted: true}, true
	}
	if found && bytes.Equal(s.kvs[i].value, op.Value) {
		return event{}, false
	}
	s.rev++
	n := &kv{key: op.Key, value: op.Value, create: s.rev, mod: s.rev, version: 1}
	if found {
		old := s.kvs[i]
		n.key, n.wireKey, n.create, n.version = old.key, old.wireKey, old.create, old.version+1
		s.kvs[i] = n
	} else {
		n.wireKey = string(appendBytes(nil, []byte(op.Key)))
		s.kvs = slices.Insert(s.kvs, i, n)
	}
	return event{kv: n}, true
}

// find returns the place of key in s.kvs, or the place where it belongs.
func (s *Store) find(key string) (int, bool) {
	return slices.BinarySearchFunc(s.kvs, key, func(e *kv, k string) int { return strings.Compare(e.key, k) })
}

// Get returns the value of a key.
func (s *Store) Get(key string) ([]byte, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	i, found := s.find(key)
	if !found {
		return nil, false
	}
	return s.kvs[i].value, true
}

// ModRevision returns the revision of a key's last change; 0 when there is no such key.
func (s *Store) ModRevision(key string) int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if i, found := s.find(key); found {
		return s.kvs[i].mod
	}
	return 0
}

// Revision returns the newest revision: what the caller saves for the next StoreOptions.StartRevision.
func (s *Store) Revision() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.rev
}

// Stats returns the store's size and the state of its streams.
func (s *Store) Stats() Stats {
	s.mu.RLock()
	st := Stats{
		Revision: s.rev, CompactRevision: s.history.first,
		Keys: len(s.kvs), HistoryEvents: s.history.events, HistoryBytes: s.history.bytes,
		Delivered: s.rev,
	}
	s.mu.RUnlock()
	s.streamsMu.Lock()
	defer s.streamsMu.Unlock()
	st.Watchers = len(s.streams)
	for w := range s.streams {
		st.Delivered = min(st.Delivered, w.delivered.Load())
	}
	return st
}

// bounds returns the newest revision and the lowest one from which a watch can start.
func (s *Store) bounds() (rev, first int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.rev, s.history.first
}

// snapshot returns the versions of the keys in iv, in key order, and the revision at which they are the present ones.
func (s *Store) snapshot(iv interval) ([]*kv, int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	lo := sort.Search(len(s.kvs), func(i int) bool { return s.kvs[i].key >= iv.key })
	hi := lo + sort.Search(len(s.kvs)-lo, func(i int) bool { return !iv.contains(s.kvs[lo+i].key) })
	return slices.Clone(s.kvs[lo:hi]), s.rev
}

// view is what a stream finds when it looks for the events from a revision on.
type view struct {
	batches    []*batch        // the events, empty if there are none yet
	rev, first int64           // as bounds
	changed    <-chan struct{} // closed at the next change
}

// since returns the batches that hold the revisions from next on, at most about limit encoded bytes of them (but one
// batch at least). The batches are appended to buf.
func (s *Store) since(next int64, limit int, buf []*batch) view {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return view{
		batches: s.history.since(next, limit, buf),
		rev:     s.rev, first: s.history.first, changed: s.changed,
	}
}

func (s *Store) addStream(w *stream) {
	s.streamsMu.Lock()
	defer s.streamsMu.Unlock()
	s.streams[w] = struct{}{}
}

func (s *Store) removeStream(w *stream) {
	s.streamsMu.Lock()
	defer s.streamsMu.Unlock()
	delete(s.streams, w)
}
