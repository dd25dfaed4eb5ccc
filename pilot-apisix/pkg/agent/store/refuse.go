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
	"slices"
	"time"
)

const (
	// probation is how long the last content of a resource is kept in case APISIX does not accept the next one. It mostly says so at once; an APISIX
	// that starts takes longer.
	probation = 2 * time.Minute
	// mostReplaced bounds what is kept of one resource.
	mostReplaced = 3
)

// replaced is content that another one took the place of.
type replaced struct {
	resource *Resource
	// revision is the one at which APISIX read it, until the time that it is kept.
	revision int64
	until    time.Time
}

// keep remembers the content that is about to be replaced; s.mu is held.
func (s *Store) keep(old *Resource) {
	name := old.Name()
	list := append(s.replaced[name], replaced{old, s.etcd.ModRevision(old.key), s.opts.Now().Add(probation)})
	s.replaced[name] = list[max(0, len(list)-mostReplaced):]
	if len(s.replaced) == 1 && len(list) == 1 {
		time.AfterFunc(probation, s.forget)
	}
}

// forget lets go of what was kept for long enough.
func (s *Store) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opts.Now()
	for name, list := range s.replaced {
		if list = slices.DeleteFunc(list, func(r replaced) bool { return !r.until.After(now) }); len(list) > 0 {
			s.replaced[name] = list
			continue
		}
		delete(s.replaced, name)
	}
	if len(s.replaced) > 0 {
		time.AfterFunc(probation, s.forget)
	}
}

// Refuse takes the content back that APISIX read at a revision and did not accept: the last one takes its place, with its own version, or nothing
// when there is none. It is false when there is no such content any more.
func (s *Store) Refuse(name string, revision int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.held[name]
	if _, own := s.own[name]; held == nil || own {
		return false
	}
	list := s.replaced[name]
	if s.etcd.ModRevision(held.key) != revision {
		// It was replaced meanwhile, and must not come back.
		list = slices.DeleteFunc(list, func(r replaced) bool { return r.revision == revision })
		s.replaced[name] = list
		return false
	}
	if n := len(list); n > 0 {
		last := list[n-1].resource
		s.replaced[name] = list[:n-1]
		s.held[name] = last
		s.apply(putOp(last))
	} else {
		delete(s.held, name)
		s.apply(deleteOp(held))
	}
	s.changed()
	return true
}
