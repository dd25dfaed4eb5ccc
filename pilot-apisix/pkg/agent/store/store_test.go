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
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

const workload = "productpage-1.default"

func resource(kind apisix.Kind, id, version string) *Resource {
	return NewResource(kind, id, version, []byte(`{"desc":"`+version+`","id":"`+id+`"}`), "VirtualService default/"+id)
}

func open(t *testing.T, dir string, change func(*Options)) *Store {
	t.Helper()
	opts := Options{Dir: dir, Workload: workload}
	if change != nil {
		change(&opts)
	}
	s, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.crash() })
	return s
}

// crash ends a store without saving, as kill -9 does.
func (s *Store) crash() {
	_ = s.lock.release()
}

func names(resources []*Resource) []string {
	out := make([]string, 0, len(resources))
	for _, r := range resources {
		out = append(out, r.Name())
	}
	return out
}

func TestNames(t *testing.T) {
	r := resource(apisix.Upstreams, "a.b", "1")
	assert.Equal(t, r.Name(), "upstreams/a.b")
	assert.Equal(t, r.Key(), "/apisix/upstreams/a.b")
	assert.Equal(t, r.Kind, apisix.Upstreams)
	assert.Equal(t, r.ID, "a.b")
}

func TestApply(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	start := s.Etcd().Revision()
	r := s.Apply(Update{Upserts: []*Resource{resource(apisix.Routes, "r", "1"), resource(apisix.Upstreams, "u", "1")}})
	assert.Equal(t, r, Result{Revision: start + 2, Changed: 2})
	value, found := s.Etcd().Get("/apisix/routes/r")
	assert.Equal(t, found, true)
	assert.Equal(t, string(value), `{"desc":"1","id":"r"}`)
	assert.Equal(t, s.Versions(), map[string]string{"routes/r": "1", "upstreams/u": "1"})

	// A new version of the same bytes is remembered, and APISIX sees nothing of it.
	same := NewResource(apisix.Routes, "r", "2", []byte(`{"desc":"1","id":"r"}`), "")
	r = s.Apply(Update{Upserts: []*Resource{same}})
	assert.Equal(t, r, Result{Revision: start + 2})
	assert.Equal(t, s.Versions()["routes/r"], "2")

	// What is not held is not removed, and what the update also brings stays.
	r = s.Apply(Update{Upserts: []*Resource{resource(apisix.Routes, "r", "3")}, Removed: []string{"routes/r", "routes/none", "nonsense"}})
	assert.Equal(t, r, Result{Revision: start + 3, Changed: 1})
	r = s.Apply(Update{Removed: []string{"routes/r"}})
	assert.Equal(t, r, Result{Revision: start + 4, Removed: 1})
	_, found = s.Etcd().Get("/apisix/routes/r")
	assert.Equal(t, found, false)
	assert.Equal(t, names(s.Resources()), []string{"upstreams/u"})
}

// TestOrder reads the order of the changes from their revisions.
func TestOrder(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	start := s.Etcd().Revision()
	kinds := slices.Clone(apisix.Kinds)
	slices.Reverse(kinds)
	var upserts []*Resource
	for _, k := range kinds {
		upserts = append(upserts, resource(k, "b", "1"), resource(k, "a", "1"))
	}
	assert.Equal(t, s.Apply(Update{Upserts: upserts}).Revision, start+int64(len(upserts)))
	var want []string
	for _, k := range apisix.Kinds {
		want = append(want, apisix.Name(k, "a"), apisix.Name(k, "b"))
	}
	assert.Equal(t, names(s.Resources()), want)
	revisions := modRevisions(t, s)
	for i, name := range want {
		assert.Equal(t, revisions["/apisix/"+name], start+1+int64(i), name)
	}

	// Deletions come after the upserts of the same update, in the reverse order.
	r := s.Apply(Update{
		Upserts: []*Resource{resource(apisix.Routes, "c", "1"), resource(apisix.Upstreams, "c", "1")},
		Removed: []string{"upstreams/a", "routes/a", "services/a"},
	})
	assert.Equal(t, watched(t, s, start+int64(len(upserts))+1, r.Revision), []string{
		"PUT /apisix/upstreams/c", "PUT /apisix/routes/c",
		"DELETE /apisix/routes/a", "DELETE /apisix/services/a", "DELETE /apisix/upstreams/a",
	})
}

func TestRestart(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	ssl := NewResource(apisix.SSLs, "s", "9", []byte(`{"id":"s","key":"-----BEGIN"}`), "Gateway a/b\nSecret a/c")
	s.Apply(Update{Upserts: []*Resource{resource(apisix.Routes, "r", "1"), resource(apisix.Upstreams, "u", "1"), ssl}})
	last := s.Etcd().Revision()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatalf("a second Close: %v", err)
	}
	assert.Equal(t, s.Status().Unsaved, false)

	again := open(t, dir, nil)
	assert.Equal(t, again.Versions(), map[string]string{"routes/r": "1", "upstreams/u": "1", "ssls/s": "9"})
	value, found := again.Etcd().Get("/apisix/ssls/s")
	assert.Equal(t, found, true)
	assert.Equal(t, string(value), string(ssl.JSON))
	assert.Equal(t, again.Resources()[0].Source, ssl.Source)
	assert.Equal(t, again.Status().Loaded, 3)
	if got := again.Etcd().Revision(); got <= last {
		t.Fatalf("revision %d after %d", got, last)
	}
	// The file is nobody else's business.
	for _, f := range []string{resourcesFile, revisionFile} {
		fi, err := os.Stat(filepath.Join(dir, f))
		if err != nil {
			t.Fatal(err)
		}
		assert.Equal(t, fi.Mode().Perm(), os.FileMode(0o600))
	}
}

func TestSecondAgentIsKeptOut(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	_, err := Open(Options{Dir: dir, Workload: workload})
	if err == nil || !strings.Contains(err.Error(), "--dataDir") {
		t.Fatalf("a second agent got in: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir, nil)
}

func TestDamagedFileIsRefused(t *testing.T) {
	write := func(t *testing.T) (dir, file string, content []byte) {
		dir = t.TempDir()
		s := open(t, dir, nil)
		s.Apply(Update{Upserts: []*Resource{resource(apisix.Routes, "r", "1"), resource(apisix.Upstreams, "u", "1")}})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		file = filepath.Join(dir, resourcesFile)
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return dir, file, content
	}
	for _, tt := range []struct {
		name   string
		damage func([]byte) []byte
		want   string
	}{
		{"torn", func(b []byte) []byte { return b[:len(b)/2] }, "checksum"},
		{"torn at the end", func(b []byte) []byte { return b[:len(b)-1] }, "checksum"},
		{"tampered", func(b []byte) []byte {
			return []byte(strings.Replace(string(b), `"desc":"1"`, `"desc":"2"`, 1))
		}, "checksum"},
		{"empty", func([]byte) []byte { return nil }, "not a file of this format"},
		{"another format", func(b []byte) []byte { return append([]byte("apisix-mesh resources 2\n"), b[len(magic):]...) }, "not a file of this format"},
		{"of another workload", func([]byte) []byte {
			var b strings.Builder
			if err := encode(&b, "other.default", []*Resource{resource(apisix.Routes, "r", "1")}); err != nil {
				t.Fatal(err)
			}
			return []byte(b.String())
		}, `workload "other.default"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, file, content := write(t)
			if err := os.WriteFile(file, tt.damage(content), 0o600); err != nil {
				t.Fatal(err)
			}
			s := open(t, dir, nil)
			assert.Equal(t, s.Len(), 0)
			if st := s.Status(); !strings.Contains(st.SaveError, tt.want) {
				t.Fatalf("%q does not say %q", st.SaveError, tt.want)
			}
			// The next good configuration takes its place.
			s.Apply(Update{Upserts: []*Resource{resource(apisix.Routes, "new", "1")}})
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			assert.Equal(t, names(open(t, dir, nil).Resources()), []string{"routes/new"})
		})
	}
}

func TestRunSavesAfterADelayAndAtTheEnd(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, func(o *Options) { o.SaveDelay = time.Millisecond })
	stop := runStore(s)
	s.Apply(Update{Upserts: []*Resource{resource(apisix.Routes, "r", "1")}})
	await(t, func() bool { return !s.Status().Unsaved })
	saved, err := readFile(dir, workload)
	if err != nil {
		t.Fatal(err)
	}
	assert.Equal(t, names(saved), []string{"routes/r"})
	stop()

	s.opts.SaveDelay = time.Hour
	stop = runStore(s)
	s.Apply(Update{Removed: []string{"routes/r"}})
	stop()
	saved, err = readFile(dir, workload)
	if err != nil {
		t.Fatal(err)
	}
	assert.Equal(t, len(saved), 0)
}

func TestSaveThatFailedIsTriedAgain(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, func(o *Options) { o.SaveDelay = time.Millisecond })
	// A directory cannot be replaced with a file.
	inTheWay := filepath.Join(dir, resourcesFile, "x")
	if err := os.MkdirAll(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	defer runStore(s)()
	s.Apply(Update{Upserts: []*Resource{resource(apisix.Routes, "r", "1")}})
	await(t, func() bool { return s.Status().SaveError != "" })
	if err := os.RemoveAll(filepath.Dir(inTheWay)); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return !s.Status().Unsaved })
	assert.Equal(t, s.Status().SaveError, "")
}

func TestUnwritableDirectoryIsNoReasonToStop(t *testing.T) {
	// A file where the directory should be, which also root cannot write to.
	dir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir, nil)
	s.Apply(Update{Upserts: []*Resource{resource(apisix.Routes, "r", "1")}})
	if err := s.Save(); err == nil {
		t.Fatal("saved into a file")
	}
	st := s.Status()
	assert.Equal(t, st.Resources, 1)
	assert.Equal(t, st.Unsaved, true)
	assert.Equal(t, st.SaveError != "", true)
}

func TestNoDirectory(t *testing.T) {
	s := open(t, "", nil)
	s.Apply(Update{Upserts: []*Resource{resource(apisix.Routes, "r", "1")}})
	assert.Equal(t, s.Save(), nil)
	assert.Equal(t, s.Status().Unsaved, false)
}

func TestLeftoversOfACrashAreRemoved(t *testing.T) {
	dir := t.TempDir()
	left := filepath.Join(dir, temporaryPrefix+resourcesFile+"-123")
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, dir, nil)
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Fatalf("%s is still there: %v", left, err)
	}
}

func TestDirectoriesAreThere(t *testing.T) {
	s := open(t, "", nil)
	for _, k := range apisix.Kinds {
		if _, found := s.Etcd().Get(fmt.Sprintf("/apisix/%s/", k)); !found {
			t.Errorf("no directory of %s", k)
		}
	}
}
