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
	"testing"
	"time"

	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// at is the revision at which APISIX reads a resource.
func (s *Store) at(name string) int64 { return s.Etcd().ModRevision("/apisix/" + name) }

func TestRefusedContentIsReplacedByTheLastGoodOne(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	s.Apply(Update{Upserts: []*Resource{resource(apisix.Routes, "r", "1"), resource(apisix.Routes, "new", "1")}})
	first := s.at("routes/r")
	s.Apply(Update{Upserts: []*Resource{resource(apisix.Routes, "r", "2")}})

	assert.Equal(t, s.Refuse("routes/none", 1), false)
	assert.Equal(t, s.Refuse("routes/r", s.at("routes/r")), true)
	assert.Equal(t, s.Versions()["routes/r"], "1")
	value, _ := s.Etcd().Get("/apisix/routes/r")
	assert.Equal(t, string(value), `{"desc":"1","id":"r"}`)
	if now := s.at("routes/r"); now <= first {
		t.Errorf("APISIX does not see the last good content again: revision %d, first %d", now, first)
	}
	// Each worker process says so.
	assert.Equal(t, s.Refuse("routes/r", first+1), false)

	// Without a last good content there is none.
	assert.Equal(t, s.Refuse("routes/new", s.at("routes/new")), true)
	_, found := s.Etcd().Get("/apisix/routes/new")
	assert.Equal(t, found, false)

	assert.NoError(t, s.Save())
	s.crash()
	s = open(t, dir, nil)
	assert.Equal(t, s.Versions(), map[string]string{"routes/r": "1"})
}

func TestRefusedContentThatWasReplacedDoesNotComeBack(t *testing.T) {
	s := open(t, "", nil)
	s.Apply(Update{Upserts: []*Resource{resource(apisix.Routes, "r", "good")}})
	s.Apply(Update{Upserts: []*Resource{resource(apisix.Routes, "r", "bad")}})
	bad := s.at("routes/r")
	s.Apply(Update{Upserts: []*Resource{resource(apisix.Routes, "r", "worse")}})
	// APISIX's word about the one comes when the other is there.
	assert.Equal(t, s.Refuse("routes/r", bad), false)
	assert.Equal(t, s.Versions()["routes/r"], "worse")
	assert.Equal(t, s.Refuse("routes/r", s.at("routes/r")), true)
	assert.Equal(t, s.Versions()["routes/r"], "good")
}

func TestOwnResourcesAreNotTakenBack(t *testing.T) {
	s := open(t, "", nil)
	own := resource(apisix.PluginMetadata, "mesh-peer", "1")
	s.Put(own)
	assert.Equal(t, s.Refuse(own.Name(), s.at(own.Name())), false)
	_, found := s.Etcd().Get(own.Key())
	assert.Equal(t, found, true)
}

func TestReplacedContentIsForgotten(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	s := open(t, "", func(o *Options) { o.Now = func() time.Time { return now } })
	for _, version := range []string{"1", "2", "3", "4", "5"} {
		s.Apply(Update{Upserts: []*Resource{resource(apisix.Routes, "r", version)}})
	}
	assert.Equal(t, len(s.replaced["routes/r"]), mostReplaced)
	now = now.Add(probation)
	s.forget()
	assert.Equal(t, len(s.replaced), 0)
	assert.Equal(t, s.Refuse("routes/r", s.at("routes/r")), true)
	assert.Equal(t, s.Len(), 0)
}
