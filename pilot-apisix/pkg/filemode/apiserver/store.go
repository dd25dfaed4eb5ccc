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
	"cmp"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// errGone says that the history of a kind no longer has the resource version that a watch starts from.
var errGone = errors.New("the resource version is too old")

// Persist keeps what istiod writes over a restart. It is called before a write is answered, with the object as it will
// be, or with deleted set. Its error fails the write.
type Persist func(res Resource, obj *unstructured.Unstructured, deleted bool) error

// Store holds the objects of all kinds and their recent history. All methods may be called from several goroutines.
type Store struct {
	persist Persist

	mu      sync.RWMutex
	version uint64
	tables  map[schema.GroupResource]*table
}

// table holds the objects of one kind.
type table struct {
	resource Resource
	objects  map[types.NamespacedName]*entry
	history  history
}

// entry is one object. What it points to is never changed, only replaced.
type entry struct {
	object *unstructured.Unstructured
	// source is the text that Replace was given for the object; empty when istiod made it.
	source string
}

// NewStore makes an empty store for the resources. persist may be nil.
func NewStore(resources []Resource, persist Persist) *Store {
	s := &Store{persist: persist, tables: make(map[schema.GroupResource]*table, len(resources)), version: 1}
	for _, r := range resources {
		s.tables[r.GroupResource()] = &table{
			resource: r,
			objects:  map[types.NamespacedName]*entry{},
			history:  history{more: make(chan struct{})},
		}
	}
	return s
}

// Object is one object of the set that Replace is given.
type Object struct {
	Resource        Resource
	Namespace, Name string
	// Source is a text that changes when, and only when, the object is to be changed; it must not be empty.
	Source string
	// Make gives the object, complete with namespace and defaults, for the store to keep. It is called only for an object
	// that is new or has changed.
	Make func() *unstructured.Unstructured
}

// Replace makes objs the set of all objects that do not come from istiod, at once: no LIST sees a part of the change.
// Objects whose Source is what it was are left as they are, so that a status that istiod wrote stays. It returns the
// number of objects that were added, changed and removed.
func (s *Store) Replace(objs []Object) (added, changed, removed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := make(map[schema.GroupResource]map[types.NamespacedName]bool, len(s.tables))
	for _, o := range objs {
		t := s.tables[o.Resource.GroupResource()]
		if t == nil {
			continue
		}
		key := types.NamespacedName{Namespace: o.Namespace, Name: o.Name}
		if wanted[o.Resource.GroupResource()] == nil {
			wanted[o.Resource.GroupResource()] = map[types.NamespacedName]bool{}
		}
		wanted[o.Resource.GroupResource()][key] = true
		old := t.objects[key]
		switch {
		case old == nil:
			added++
		case old.source == o.Source:
			continue
		default:
			changed++
		}
		s.put(t, key, &entry{object: s.inherit(t.resource, old, o.Make()), source: o.Source})
	}
	for _, t := range s.sortedTables() {
		keep := wanted[t.resource.GroupResource()]
		for _, key := range t.sortedKeys() {
			if e := t.objects[key]; e.source != "" && !keep[key] {
				s.remove(t, key)
				removed++
			}
		}
	}
	return added, changed, removed
}

// inherit gives a new state of an object what the API server itself keeps of it: its identity, its generation, and the
// status, unless the new state has one.
func (s *Store) inherit(res Resource, old *entry, obj *unstructured.Unstructured) *unstructured.Unstructured {
	if obj.GetUID() == "" {
		obj.SetUID(uidOf(res, obj))
	}
	if old == nil {
		if obj.GetGeneration() == 0 {
			obj.SetGeneration(1)
		}
		return obj
	}
	if _, ok := obj.Object["status"]; !ok {
		if status, ok := old.object.Object["status"]; ok {
			obj.Object["status"] = status
		}
	}
	obj.SetGeneration(old.object.GetGeneration())
	if !sameSpec(old.object, obj) {
		obj.SetGeneration(old.object.GetGeneration() + 1)
	}
	return obj
}

// put stores e and records the change. The lock is held.
func (s *Store) put(t *table, key types.NamespacedName, e *entry) {
	var before *unstructured.Unstructured
	if old := t.objects[key]; old != nil {
		before = old.object
	}
	s.version++
	setVersion(e.object, s.version)
	t.objects[key] = e
	t.history.add(change{version: s.version, at: time.Now(), before: before, after: e.object})
}

// remove deletes an object and records the change. The lock is held.
func (s *Store) remove(t *table, key types.NamespacedName) {
	before := t.objects[key].object
	delete(t.objects, key)
	s.version++
	t.history.add(change{version: s.version, at: time.Now(), before: before})
}

// Get gives an object; nil when there is none.
func (s *Store) Get(res schema.GroupResource, namespace, name string) *unstructured.Unstructured {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := s.tables[res]
	if t == nil {
		return nil
	}
	if e := t.objects[types.NamespacedName{Namespace: namespace, Name: name}]; e != nil {
		return e.object
	}
	return nil
}

// List gives the objects of a kind, sorted by namespace and name; they must not be changed.
func (s *Store) List(res schema.GroupResource) []*unstructured.Unstructured {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := s.tables[res]
	if t == nil {
		return nil
	}
	return t.list(everything())
}

// list gives the selected objects in order. The lock is held.
func (t *table) list(sel selection) []*unstructured.Unstructured {
	out := make([]*unstructured.Unstructured, 0, len(t.objects))
	for _, key := range t.sortedKeys() {
		if o := t.objects[key].object; sel.matches(o) {
			out = append(out, o)
		}
	}
	return out
}

// snapshot lists the selected objects and makes a watcher that goes on from there.
func (s *Store) snapshot(t *table, sel selection) ([]*unstructured.Unstructured, *watcher) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return t.list(sel), &watcher{store: s, table: t, sel: sel, version: s.version}
}

func (s *Store) sortedTables() []*table {
	out := make([]*table, 0, len(s.tables))
	for _, t := range s.tables {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b *table) int {
		return cmp.Or(cmp.Compare(a.resource.Group, b.resource.Group), cmp.Compare(a.resource.Plural, b.resource.Plural))
	})
	return out
}

func (t *table) sortedKeys() []types.NamespacedName {
	keys := make([]types.NamespacedName, 0, len(t.objects))
	for k := range t.objects {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b types.NamespacedName) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return keys
}

// create adds an object that istiod makes.
func (s *Store) create(t *table, obj *unstructured.Unstructured, dryRun bool) (*unstructured.Unstructured, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := keyOf(obj)
	if t.objects[key] != nil {
		return nil, apierrors.NewAlreadyExists(t.resource.GroupResource(), key.Name)
	}
	obj.SetCreationTimestamp(metav1.NewTime(time.Now().Truncate(time.Second)))
	obj = s.inherit(t.resource, nil, obj)
	if dryRun {
		return obj, nil
	}
	if err := s.keep(t, obj, false); err != nil {
		return nil, err
	}
	s.put(t, key, &entry{object: obj})
	return obj, nil
}

// update replaces an object with what edit makes of a copy of it; edit may return nil for no change.
func (s *Store) update(t *table, key types.NamespacedName, dryRun bool,
	edit func(current *unstructured.Unstructured) (*unstructured.Unstructured, error),
) (*unstructured.Unstructured, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := t.objects[key]
	if old == nil {
		return nil, apierrors.NewNotFound(t.resource.GroupResource(), key.Name)
	}
	obj, err := edit(old.object.DeepCopy())
	if err != nil {
		return nil, err
	}
	if v := obj.GetResourceVersion(); v != "" && v != old.object.GetResourceVersion() {
		return nil, apierrors.NewConflict(t.resource.GroupResource(), key.Name,
			errors.New("the object has been modified; apply your changes to the latest version and try again"))
	}
	obj.SetName(key.Name)
	obj.SetNamespace(key.Namespace)
	obj.SetUID(old.object.GetUID())
	obj.SetCreationTimestamp(old.object.GetCreationTimestamp())
	obj = s.inherit(t.resource, old, obj)
	obj.SetResourceVersion(old.object.GetResourceVersion())
	if dryRun || sameObject(old.object, obj) {
		return obj, nil
	}
	if err := s.keep(t, obj, false); err != nil {
		return nil, err
	}
	s.put(t, key, &entry{object: obj, source: old.source})
	return obj, nil
}

// delete removes an object that istiod made.
func (s *Store) delete(t *table, key types.NamespacedName, pre *metav1.Preconditions, dryRun bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	gr := t.resource.GroupResource()
	old := t.objects[key]
	if old == nil {
		return apierrors.NewNotFound(gr, key.Name)
	}
	if old.source != "" {
		return apierrors.NewForbidden(gr, key.Name, errors.New("the object comes from a configuration file; remove it there"))
	}
	if pre != nil {
		if pre.ResourceVersion != nil && *pre.ResourceVersion != "" && *pre.ResourceVersion != old.object.GetResourceVersion() {
			return apierrors.NewConflict(gr, key.Name, errors.New("the resource version in the precondition is not the current one"))
		}
		if pre.UID != nil && *pre.UID != old.object.GetUID() {
			return apierrors.NewConflict(gr, key.Name, errors.New("the UID in the precondition is not that of the object"))
		}
	}
	if dryRun {
		return nil
	}
	if err := s.keep(t, old.object, true); err != nil {
		return err
	}
	s.remove(t, key)
	return nil
}

func (s *Store) keep(t *table, obj *unstructured.Unstructured, deleted bool) error {
	if s.persist == nil {
		return nil
	}
	if err := s.persist(t.resource, obj, deleted); err != nil {
		return apierrors.NewInternalError(err)
	}
	return nil
}

// Restore adds an object that Persist was given in an earlier life of the store.
func (s *Store) Restore(res schema.GroupResource, obj *unstructured.Unstructured) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tables[res]; t != nil {
		s.put(t, keyOf(obj), &entry{object: s.inherit(t.resource, nil, obj)})
	}
}

func formatVersion(v uint64) string {
	return strconv.FormatUint(v, 10)
}
