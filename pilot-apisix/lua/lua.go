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
	"embed"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed apisix
var files embed.FS

// plugins is where APISIX looks for the http plugins in a directory of its Lua path.
const (
	plugins       = "apisix/plugins"
	streamPlugins = "apisix/stream/plugins"
)

// Hook is the module that APISIX loads first (config.yaml's apisix.lua_module_hook): it gives the stream subsystem our router.
const Hook = "apisix.mesh.hook"

// Write puts the files below dir, which it makes when there is none. Files that are there already are overwritten.
func Write(dir string) error {
	return fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(dir, filepath.FromSlash(name))
		if entry.IsDir() {
			// nginx's workers run as another user than who writes here.
			return os.MkdirAll(target, 0o755)
		}
		content, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(target, content, 0o644)
	})
}

// Path is the value of apisix.extra_lua_path, and of apisixconf's ExtraLuaPath, for files that Write put into dir.
func Path(dir string) string {
	return filepath.Join(dir, "?.lua")
}

// SharedDict is the lua_shared_dict in which the balancer's worker processes share what they count, StreamSharedDict the one for
// TCP. Without them each counts for itself.
const (
	SharedDict       = "mesh-balancer"
	StreamSharedDict = "mesh-balancer-stream"
	SharedDictSize   = "4m"
)

// Plugins are the names of the plugins for HTTP, sorted.
func Plugins() []string { return modules(plugins) }

// StreamPlugins are the names of those for TCP, sorted.
func StreamPlugins() []string { return modules(streamPlugins) }

// modules are the names of the files of a directory.
func modules(dir string) []string {
	entries, err := files.ReadDir(dir)
	if err != nil {
		// The directory is part of the binary.
		return nil
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(path.Base(e.Name()), ".lua"); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
