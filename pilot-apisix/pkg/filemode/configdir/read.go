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
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Stdin is the path that stands for standard input.
const Stdin = "-"

// extensions are those of files that are read in a directory, as kubectl has them.
var extensions = map[string]bool{".yaml": true, ".yml": true, ".json": true}

// Read reads files, directories with all that is below them, and standard input (Stdin), and gives their contents by
// path. Of a directory it reads the files with the extensions .yaml, .yml and .json, and leaves out what is hidden; links
// to files are followed, links to directories are not, except for the path itself. A file that is named is read whatever
// its name.
func Read(paths []string, stdin io.Reader) (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, path := range paths {
		if path == Stdin {
			data, err := io.ReadAll(stdin)
			if err != nil {
				return nil, fmt.Errorf("standard input: %w", err)
			}
			out[Stdin] = data
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			if out[path], err = os.ReadFile(path); err != nil {
				return nil, err
			}
			continue
		}
		if _, err := walk(path, func(file string, data []byte) { out[file] = data }); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// walk reads the files of a directory and gives the directories that it saw.
func walk(root string, each func(file string, data []byte)) (dirs []string, err error) {
	// The separator makes WalkDir follow a root that is a link.
	err = filepath.WalkDir(root+string(filepath.Separator), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			// What vanishes while we look was not there.
			if os.IsNotExist(err) && filepath.Clean(path) != filepath.Clean(root) {
				return nil
			}
			return err
		}
		hidden := strings.HasPrefix(entry.Name(), ".") && filepath.Clean(path) != filepath.Clean(root)
		if entry.IsDir() {
			if hidden {
				return filepath.SkipDir
			}
			dirs = append(dirs, filepath.Clean(path))
			return nil
		}
		if hidden || !extensions[filepath.Ext(path)] {
			return nil
		}
		info, err := os.Stat(path)
		if os.IsNotExist(err) || err == nil && !info.Mode().IsRegular() {
			return nil
		}
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return err
		}
		each(filepath.Clean(path), data)
		return nil
	})
	return dirs, err
}
