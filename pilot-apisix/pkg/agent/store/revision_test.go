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
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/etcdapi"
)

// at is a clock that stands still.
func at(t time.Time) func(*Options) {
	return func(o *Options) { o.Now = func() time.Time { return t } }
}

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// TestRevisionsNeverGoBack runs a store through crashes; nothing is ever saved but what is written before it is served.
func TestRevisionsNeverGoBack(t *testing.T) {
	dir := t.TempDir()
	served := int64(0)
	for i, tt := range []struct {
		name string
		now  time.Time
		// before happens between a crash and the next start.
		before func()
	}{
		{name: "the first start", now: noon},
		{name: "a crash in the same millisecond", now: noon},
		{name: "a crash, and the clock was set back", now: noon.Add(-24 * time.Hour)},
		{name: "a crash, and the clock is at its epoch", now: time.Unix(0, 0)},
		{name: "a crash, and the clock is before its epoch", now: time.Unix(-1e6, 0)},
		{name: "a crash long ago", now: noon.Add(365 * 24 * time.Hour)},
		{name: "a crash, and the directory was lost", now: noon.Add(366 * 24 * time.Hour), before: func() {
			assert.NoError(t, os.RemoveAll(dir))
		}},
		{name: "a crash, and the file is damaged", now: noon.Add(367 * 24 * time.Hour), before: func() {
			assert.NoError(t, os.WriteFile(filepath.Join(dir, revisionFile), []byte("17 00000000\n"), 0o600))
		}},
		{name: "a crash, and the file is torn", now: noon.Add(368 * 24 * time.Hour), before: func() {
			assert.NoError(t, os.Truncate(filepath.Join(dir, revisionFile), 5))
		}},
		{name: "a crash, and the clock is far ahead", now: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)},
		{name: "and back again", now: noon.Add(369 * 24 * time.Hour)},
	} {
		if tt.before != nil {
			tt.before()
		}
		s := open(t, dir, at(tt.now))
		first := s.Etcd().Revision()
		if first <= served {
			t.Fatalf("%s: revision %d was served before (up to %d)", tt.name, first, served)
		}
		// More changes than one block has revisions would take long: let the block end early.
		s.revisions.bound = first + 1
		for range 5 {
			s.Apply(Update{Upserts: []*Resource{resource(apisix.Routes, "r", time.Duration(served).String()+string(rune('a'+i)))}})
			s.Apply(Update{Removed: []string{"routes/r"}})
		}
		served = s.Etcd().Revision()
		if served > maxRevision || served > etcdapi.MaxRevision {
			t.Fatalf("%s: revision %d is too high for APISIX", tt.name, served)
		}
		s.crash()
	}
}

// TestRevisionsAreReservedBeforeTheyAreServed looks at the disk at each step.
func TestRevisionsAreReservedBeforeTheyAreServed(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, at(noon))
	for i := range 20 {
		bound, err := readRevision(dir)
		assert.NoError(t, err)
		if served := s.Etcd().Revision(); served > bound {
			t.Fatalf("revision %d is served, and the disk says %d", served, bound)
		}
		if i%5 == 4 {
			s.revisions.bound = s.Etcd().Revision() + 1
			assert.NoError(t, writeRevision(dir, s.revisions.bound))
		}
		s.Apply(Update{Upserts: []*Resource{resource(apisix.Routes, "a", string(rune('a'+i))), resource(apisix.Routes, "b", string(rune('a'+i)))}})
	}
}

func TestRevisionFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, revisionFile)
	bound, err := readRevision(dir)
	assert.NoError(t, err)
	assert.Equal(t, bound, 0)
	assert.NoError(t, writeRevision(dir, 1_760_000_000_000))
	bound, err = readRevision(dir)
	assert.NoError(t, err)
	assert.Equal(t, bound, 1_760_000_000_000)
	for _, bad := range []string{"", "x", "1", "1 00000000\n", revisionText(5) + " ", revisionText(-5), revisionText(maxRevision + 1)} {
		assert.NoError(t, os.WriteFile(file, []byte(bad), 0o600))
		if _, err := readRevision(dir); err == nil {
			t.Errorf("%q was believed", bad)
		}
	}
}

func TestUnreservableRevisionsAreTold(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "file")
	assert.NoError(t, os.WriteFile(dir, nil, 0o600))
	s := open(t, dir, at(noon))
	if got := s.Etcd().Revision(); got <= noon.UnixMilli() {
		t.Fatalf("revision %d is not above the clock", got)
	}
	if st := s.Status(); !strings.Contains(st.SaveError, dir) {
		t.Fatalf("%q does not name the directory", st.SaveError)
	}
}
