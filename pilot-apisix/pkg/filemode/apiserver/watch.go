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

package apiserver

import (
	"context"
	"sort"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
)

const (
	// historyLength and historyAge bound the changes that are kept of a kind, for watches that start at a past resource
	// version. Younger changes are kept in any number, so that a large reload never outruns a watch that reads it.
	historyLength = 128
	historyAge    = time.Minute
)

// change is one step in the history of a kind.
type change struct {
	version uint64
	at      time.Time
	// before and after are the object; nil when it did not exist.
	before, after *unstructured.Unstructured
}

// history is what happened to the objects of one kind, oldest first. The store's lock guards it.
type history struct {
	changes []change
	// forgotten is the resource version of the newest change that is no longer kept.
	forgotten uint64
	// more is closed, and replaced, when something is added.
	more chan struct{}
}

func (h *history) add(c change) {
	drop := 0
	for drop < len(h.changes)-historyLength && c.at.Sub(h.changes[drop].at) > historyAge {
		drop++
	}
	if drop > 0 {
		h.forgotten = h.changes[drop-1].version
		h.changes = append(make([]change, 0, len(h.changes)-drop+1), h.changes[drop:]...)
	}
	h.changes = append(h.changes, c)
	close(h.more)
	h.more = make(chan struct{})
}

// since gives the changes after version.
func (h *history) since(version uint64) []change {
	i := sort.Search(len(h.changes), func(i int) bool { return h.changes[i].version > version })
	return h.changes[i:]
}

// event is what a watch is told.
type event struct {
	kind   watch.EventType
	object *unstructured.Unstructured
}

// watcher follows one kind from a resource version on.
type watcher struct {
	store   *Store
	table   *table
	sel     selection
	version uint64
}

// next waits for events. It returns errGone when the history no longer reaches back to where the watcher is.
func (w *watcher) next(ctx context.Context) ([]event, error) {
	for {
		w.store.mu.RLock()
		forgotten, more := w.table.history.forgotten, w.table.history.more
		changes := w.table.history.since(w.version)
		w.store.mu.RUnlock()
		if w.version < forgotten {
			return nil, errGone
		}
		var events []event
		for _, c := range changes {
			w.version = c.version
			if e, ok := w.sel.event(c); ok {
				events = append(events, e)
			}
		}
		if len(events) > 0 {
			return events, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-more:
		}
	}
}

// event tells what a change means to somebody who sees only the selected objects.
func (s selection) event(c change) (event, bool) {
	was, is := s.matches(c.before), s.matches(c.after)
	switch {
	case was && is:
		return event{watch.Modified, c.after}, true
	case is:
		return event{watch.Added, c.after}, true
	case was:
		// The object in a DELETED event has its last state, with the resource version of the deletion.
		last := c.before.DeepCopy()
		setVersion(last, c.version)
		return event{watch.Deleted, last}, true
	default:
		return event{}, false
	}
}
