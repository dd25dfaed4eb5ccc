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

package lua

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestPlugins(t *testing.T) {
	want := []string{
		"mesh-cors", "mesh-direct-response", "mesh-fault", "mesh-hash", "mesh-headers", "mesh-listeners", "mesh-mirror", "mesh-original-dst", "mesh-peer", "mesh-rbac",
		"mesh-redirect",
		"mesh-retry", "mesh-rewrite", "mesh-split",
	}
	if got := Plugins(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := StreamPlugins(), []string{"mesh-original-dst", "mesh-peer", "mesh-rbac", "mesh-split"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestPluginsAreWhatAPISIXLoads looks for what APISIX refuses to load a plugin without.
func TestPluginsAreWhatAPISIXLoads(t *testing.T) {
	for dir, names := range map[string][]string{plugins: Plugins(), streamPlugins: StreamPlugins()} {
		for _, name := range names {
			content, err := files.ReadFile(dir + "/" + name + ".lua")
			if err != nil {
				t.Fatal(err)
			}
			for _, field := range []string{`version = [\d.]+`, `priority = -?\d+`, `name = "` + name + `"`, `schema = schema`} {
				if !regexp.MustCompile(`(?m)^    ` + field + `,$`).Match(content) {
					t.Errorf("%s/%s has no %s", dir, name, field)
				}
			}
			if !strings.Contains(string(content), "function _M.check_schema(conf") {
				t.Errorf("%s/%s has no check_schema", dir, name)
			}
		}
	}
	if _, err := files.ReadFile(strings.ReplaceAll(Hook, ".", "/") + ".lua"); err != nil {
		t.Error(err)
	}
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a/b")
	for range 2 {
		if err := Write(dir); err != nil {
			t.Fatal(err)
		}
	}
	// Images are given the files of the source directory: these are the same.
	got, want := luaFiles(t, dir), luaFiles(t, ".")
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
	if err := Write(filepath.Join(dir, "apisix/mesh/path.lua")); err == nil {
		t.Error("a file is taken for a directory")
	}
}

// luaFiles are the files below dir/apisix by name.
func luaFiles(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), "apisix", func(name string, entry fs.DirEntry, err error) error {
		// Go embeds nothing of such a name.
		if hidden := strings.HasPrefix(entry.Name(), ".") || strings.HasPrefix(entry.Name(), "_"); err != nil || hidden || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(filepath.Join(dir, name))
		found[name] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestSharedDicts compares the names with those that the balancer looks for.
func TestSharedDicts(t *testing.T) {
	content, err := files.ReadFile("apisix/balancer/mesh.lua")
	if err != nil {
		t.Fatal(err)
	}
	if want := `"` + SharedDict + `" or "` + StreamSharedDict + `"`; !strings.Contains(string(content), want) {
		t.Errorf("the balancer has not %s", want)
	}
}
