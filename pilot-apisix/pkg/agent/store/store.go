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

package store

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	istiolog "istio.io/istio/pkg/log"

	"github.com/apisix-mesh/pilot-apisix/pkg/etcdapi"
)

var log = istiolog.RegisterScope("agentstore", "configuration that the APISIX agent holds")

const (
	// defaultSaveDelay gathers changes before they are written: the price is what a crash loses, which istiod sends again.
	defaultSaveDelay = 2 * time.Second
	// historyBytes bounds what APISIX's streams may miss while they reconnect, before they have to read everything again.
	historyBytes = 4 << 20
)

// Options configures a Store.
type Options struct {
	// Dir is the directory of the state; "" keeps nothing.
	Dir string
	// Workload is "<name>.<namespace>". State of another workload is refused.
	Workload string
	// SaveDelay is the time between a change and its being saved (0: 2 s).
	SaveDelay time.Duration
	// Now is the clock; time.Now when nil.
	Now func() time.Time
}

// Update is one step from one configuration to the next.
type Update struct {
	// Upserts are new or changed resources.
	Upserts []*Resource
	// Removed are the names of resources that no longer exist. A name that is among Upserts too is not removed.
	Removed []string
}

// Result is what an Update did.
type Result struct {
	// Revision of the etcd store after the update.
	Revision int64
	// Changed and Removed count the keys that APISIX sees changing; equal bytes are no change.
	Changed, Removed int
}

// Store is safe for use by several goroutines.
type Store struct {
	opts      Options
	etcd      *etcdapi.Store
	revisions *revisions
	lock      *dirLock
	loaded    int

	mu   sync.Mutex
	held map[string]*Resource
	// own are the names of the agent's own resources.
	own map[string]struct{}
	// replaced is the content that resources had before, the latest last.
	replaced map[string][]replaced
	// generation counts changes of held; saved is the one on disk.
	generation, saved uint64
	savedAt           time.Time
	saveErr           error
	// dirty wakes the saver.
	dirty chan struct{}
	// saveMu admits one writer of the file at a time.
	saveMu sync.Mutex
}

// Open loads the state of an earlier run and gives it to a new etcd store. State that cannot be used, or a directory
// that cannot be written, is logged and is no error: the store then starts empty. It is an error when another agent
// uses the directory.
func Open(opts Options) (*Store, error) {
	if opts.SaveDelay <= 0 {
		opts.SaveDelay = defaultSaveDelay
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	s := &Store{opts: opts, held: map[string]*Resource{}, own: map[string]struct{}{}, replaced: map[string][]replaced{}, dirty: make(chan struct{}, 1)}
	if opts.Dir == "" {
		log.Warnf("no data directory: a restart of this agent will have no configuration until istiod answers")
	} else {
		lock, err := lockDir(opts.Dir)
		if err != nil {
			return nil, err
		}
		s.lock = lock
		if lock != nil {
			removeTemporary(opts.Dir)
		}
		s.load()
	}
	s.revisions = newRevisions(opts.Dir, opts.Now)
	etcd, err := etcdapi.NewStore(etcdapi.StoreOptions{StartRevision: s.revisions.start(), HistoryBytes: historyBytes})
	if err != nil {
		return nil, errors.Join(err, s.lock.release())
	}
	s.etcd = etcd
	ops := etcdapi.InitDirs(keyPrefix, etcdapi.Directories())
	for _, r := range s.resources() {
		ops = append(ops, etcdapi.Op{Key: r.key, Value: r.JSON})
	}
	s.apply(ops)
	return s, nil
}

func (s *Store) load() {
	resources, err := readFile(s.opts.Dir, s.opts.Workload)
	if err != nil {
		s.saveErr = err
		log.Errorf("last good configuration is not used, starting empty: %v", err)
		return
	}
	for _, r := range resources {
		s.held[r.Name()] = r
	}
	s.loaded = len(s.held)
	if s.loaded > 0 {
		log.Infof("loaded the last good configuration: %d resources from %s", s.loaded, s.opts.Dir)
	}
}

// Etcd is the store that APISIX reads.
func (s *Store) Etcd() *etcdapi.Store {
	return s.etcd
}

// Apply makes the update visible to APISIX in one step: first what is new or changed, each kind after those that it may
// refer to, then what is removed, in the reverse order.
func (s *Store) Apply(u Update) Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	var result Result
	upserts := make(map[string]*Resource, len(u.Upserts))
	for _, r := range u.Upserts {
		upserts[r.Name()] = r
	}
	ops := make([]etcdapi.Op, 0, len(upserts)+len(u.Removed))
	for _, r := range sorted(slices.Collect(maps.Values(upserts))) {
		old := s.held[r.Name()]
		if old != nil && bytes.Equal(old.JSON, r.JSON) {
			// Only the version or the origin is new: keep the bytes that the etcd store shares.
			r.JSON = old.JSON
		} else if _, own := s.own[r.Name()]; !own {
			if old != nil {
				s.keep(old)
			}
			ops = append(ops, putOp(r)...)
			result.Changed++
		}
		s.held[r.Name()] = r
	}
	var removed []*Resource
	for _, name := range u.Removed {
		if _, stays := upserts[name]; stays {
			continue
		}
		if r := s.held[name]; r != nil {
			delete(s.held, name)
			delete(s.replaced, name)
			if _, own := s.own[name]; !own {
				removed = append(removed, r)
			}
		}
	}
	sorted(removed)
	for _, r := range slices.Backward(removed) {
		ops = append(ops, deleteOp(r)...)
	}
	result.Removed = len(removed)
	result.Revision = s.apply(ops)
	if len(upserts) > 0 || len(u.Removed) > 0 {
		s.changed()
	}
	return result
}

// changed wakes the saver; s.mu is held.
func (s *Store) changed() {
	s.generation++
	select {
	case s.dirty <- struct{}{}:
	default:
	}
}

func putOp(r *Resource) []etcdapi.Op { return []etcdapi.Op{{Key: r.key, Value: r.JSON}} }

func deleteOp(r *Resource) []etcdapi.Op { return []etcdapi.Op{{Key: r.key, Delete: true}} }

// apply gives the operations to the etcd store, after their revisions were reserved.
func (s *Store) apply(ops []etcdapi.Op) int64 {
	s.revisions.reserve(s.etcd.Revision() + int64(len(ops)))
	return s.etcd.Apply(ops)
}

// Put makes a resource of the agent's own visible to APISIX, in the place of one that istiod may send under the name. It is not among what is held,
// and not saved.
func (s *Store) Put(r *Resource) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.own[r.Name()] = struct{}{}
	s.apply(putOp(r))
}

// Get is the resource of a name, or nil.
func (s *Store) Get(name string) *Resource {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held[name]
}

// Versions are the versions of all that is held, by name.
func (s *Store) Versions() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	versions := make(map[string]string, len(s.held))
	for name, r := range s.held {
		versions[name] = r.Version
	}
	return versions
}

// Resources are all that is held, sorted by kind in dependency order, then by id.
func (s *Store) Resources() []*Resource {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resources()
}

func (s *Store) resources() []*Resource {
	return sorted(slices.Collect(maps.Values(s.held)))
}

// Len is the number of resources that are held.
func (s *Store) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.held)
}

// Status tells what is held, and how it stands with the disk.
type Status struct {
	Resources int `json:"resources"`
	// Loaded is the number of resources that the last run left.
	Loaded int `json:"loadedFromDisk"`
	// Unsaved is true when the disk is behind.
	Unsaved bool      `json:"unsaved"`
	SavedAt time.Time `json:"savedAt,omitzero"`
	// SaveError is why the last good configuration was refused, or could not be saved.
	SaveError string        `json:"saveError,omitempty"`
	Dir       string        `json:"dir,omitempty"`
	Etcd      etcdapi.Stats `json:"etcd"`
}

// Status is the current state.
func (s *Store) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Status{
		Resources: len(s.held),
		Loaded:    s.loaded,
		Unsaved:   s.opts.Dir != "" && s.generation != s.saved,
		SavedAt:   s.savedAt,
		Dir:       s.opts.Dir,
		Etcd:      s.etcd.Stats(),
	}
	if s.saveErr != nil {
		st.SaveError = s.saveErr.Error()
	}
	if err := s.revisions.err(); err != nil && st.SaveError == "" {
		st.SaveError = fmt.Sprintf("revision: %v", err)
	}
	return st
}
