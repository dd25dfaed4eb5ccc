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

package configdir

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"istio.io/istio/pkg/test/util/assert"
	"istio.io/istio/pkg/test/util/retry"
)

// watchStates watches dir and gives what it held last, as "FILE=CONTENT ..." with names relative to dir.
func watchStates(t *testing.T, dir string) func() string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	states := make(chan string, 1000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		Watch(ctx, dir, func(contents map[string][]byte) {
			var out []string
			for _, name := range sortedKeys(contents) {
				rel, err := filepath.Rel(dir, name)
				if err != nil {
					rel = name
				}
				out = append(out, rel+"="+string(contents[name]))
			}
			states <- strings.Join(out, " ")
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	last := ""
	return func() string {
		for {
			select {
			case last = <-states:
			default:
				return last
			}
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	assert.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	assert.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

func TestWatch(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "conf")
	write(t, filepath.Join(dir, "a.yaml"), "1")
	state := watchStates(t, dir)
	at := func(name string) string { return filepath.Join(dir, name) }

	steps := []struct {
		name string
		do   func()
		want string
	}{
		{"start", func() {}, "a.yaml=1"},
		{"write", func() { write(t, at("a.yaml"), "2") }, "a.yaml=2"},
		{"rename over it", func() {
			write(t, at("new"), "3")
			assert.NoError(t, os.Rename(at("new"), at("a.yaml")))
		}, "a.yaml=3"},
		{"nested directories at once", func() { write(t, at("x/y/b.yml"), "4") }, "a.yaml=3 x/y/b.yml=4"},
		{"write in a nested directory", func() { write(t, at("x/y/b.yml"), "5") }, "a.yaml=3 x/y/b.yml=5"},
		{"others are left out", func() {
			write(t, at("README.md"), "x")
			write(t, at(".git/c.yaml"), "x")
			write(t, at(".#a.yaml"), "x")
			write(t, at("c.json"), "{}")
		}, "a.yaml=3 c.json={} x/y/b.yml=5"},
		{"remove a nested directory", func() {
			assert.NoError(t, os.RemoveAll(at("x")))
			assert.NoError(t, os.Remove(at("c.json")))
		}, "a.yaml=3"},
		{"links, as a mounted ConfigMap has them", func() {
			write(t, at("..v1/m.yaml"), "6")
			assert.NoError(t, os.Symlink("..v1", at("..data")))
			assert.NoError(t, os.Symlink("..data/m.yaml", at("m.yaml")))
		}, "a.yaml=3 m.yaml=6"},
		{"a new version of the ConfigMap", func() {
			write(t, at("..v2/m.yaml"), "7")
			assert.NoError(t, os.Symlink("..v2", at("..tmp")))
			assert.NoError(t, os.Rename(at("..tmp"), at("..data")))
		}, "a.yaml=3 m.yaml=7"},
		{"the directory is taken away: all stays", func() {
			assert.NoError(t, os.Rename(dir, filepath.Join(parent, "gone")))
			time.Sleep(2 * pollInterval)
		}, "a.yaml=3 m.yaml=7"},
		{"another is put in its place", func() { write(t, at("z.yaml"), "8") }, "z.yaml=8"},
		{"and is watched", func() { write(t, at("z.yaml"), "9") }, "z.yaml=9"},
	}
	for _, s := range steps {
		s.do()
		var got string
		if err := retry.UntilSuccess(func() error {
			if got = state(); got != s.want {
				return os.ErrNotExist
			}
			return nil
		}, retry.Timeout(20*time.Second), retry.Delay(5*time.Millisecond)); err != nil {
			t.Fatalf("%s: got %q, want %q", s.name, got, s.want)
		}
	}
}

// A link to the directory of a release may be set to another one.
func TestWatchLink(t *testing.T) {
	parent := t.TempDir()
	write(t, filepath.Join(parent, "one/a.yaml"), "1")
	write(t, filepath.Join(parent, "two/a.yaml"), "2")
	link := filepath.Join(parent, "current")
	assert.NoError(t, os.Symlink("one", link))
	state := watchStates(t, link)
	is := func(want string) {
		t.Helper()
		assert.EventuallyEqual(t, state, want, retry.Timeout(20*time.Second), retry.Delay(5*time.Millisecond))
	}
	is("a.yaml=1")
	assert.NoError(t, os.Symlink("two", link+"-new"))
	assert.NoError(t, os.Rename(link+"-new", link))
	is("a.yaml=2")
	write(t, filepath.Join(parent, "two/a.yaml"), "3")
	is("a.yaml=3")
}

// While somebody writes, nobody reads: of many writes only few states are seen, and the last one always is.
func TestWatchQuiet(t *testing.T) {
	dir := t.TempDir()
	var seen []string
	ctx, cancel := context.WithCancel(context.Background())
	states := make(chan string, 1000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		Watch(ctx, dir, func(contents map[string][]byte) { states <- string(contents[filepath.Join(dir, "a.yaml")]) })
	}()
	assert.Equal(t, <-states, "")
	const writes = 20
	for i := range writes {
		write(t, filepath.Join(dir, "a.yaml"), strings.Repeat("x", i+1))
	}
	for last := strings.Repeat("x", writes); !slices.Contains(seen, last); {
		seen = append(seen, <-states)
	}
	cancel()
	<-done
	if len(seen) > writes/2 {
		t.Errorf("%d states of %d writes were read", len(seen), writes)
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "d/a.yaml"), "1")
	write(t, filepath.Join(dir, "d/b.txt"), "2")
	write(t, filepath.Join(dir, "c.conf"), "3")
	assert.NoError(t, os.Symlink(filepath.Join(dir, "d"), filepath.Join(dir, "link")))
	got, err := Read([]string{filepath.Join(dir, "d"), filepath.Join(dir, "c.conf"), Stdin, filepath.Join(dir, "link")}, bytes.NewBufferString("4"))
	assert.NoError(t, err)
	var names []string
	for _, name := range sortedKeys(got) {
		names = append(names, strings.TrimPrefix(name, dir)+"="+string(got[name]))
	}
	assert.Equal(t, names, []string{"-=4", "/c.conf=3", "/d/a.yaml=1", "/link/a.yaml=1"})
	if _, err := Read([]string{filepath.Join(dir, "none")}, nil); err == nil {
		t.Error("a path that does not exist was read")
	}
}
