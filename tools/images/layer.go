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

package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// file is one that an image has beyond its base.
type file struct {
	// name is its path in the image, without the first slash.
	name    string
	content []byte
	mode    int64
}

// luaFiles are the Lua plugins as pilot-apisix/lua writes them: all that Go embeds of its directory apisix.
func luaFiles(dir string) ([]file, error) {
	var files []file
	err := filepath.WalkDir(filepath.Join(dir, "apisix"), func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("--lua: %w", err)
		}
		if strings.HasPrefix(entry.Name(), ".") || strings.HasPrefix(entry.Name(), "_") {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if entry.IsDir() {
			return nil
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		files = append(files, file{name: path.Join(luaDir, filepath.ToSlash(rel)), content: content, mode: 0o644})
		return nil
	})
	return files, err
}

// newLayer is a layer with the files, the directories above them, and those of proxyUser. It is sorted, all of one time and, but
// for the latter, root's.
func newLayer(files []file, writable []string, created time.Time) (v1.Layer, error) {
	headers := map[string]*tar.Header{}
	contents := map[string][]byte{}
	for _, f := range files {
		// A directory that is missing is made by whoever unpacks the layer, some of them for root alone.
		addParents(headers, f.name)
		headers[f.name] = &tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: f.mode, Size: int64(len(f.content))}
		contents[f.name] = f.content
	}
	for _, dir := range writable {
		addParents(headers, dir)
		headers[dir] = &tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755, Uid: proxyUser, Gid: proxyUser}
	}
	var sorted []string
	for name := range headers {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range sorted {
		headers[name].ModTime = created
		if err := w.WriteHeader(headers[name]); err != nil {
			return nil, err
		}
		if _, err := w.Write(contents[name]); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(out.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
}

func addParents(headers map[string]*tar.Header, name string) {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		headers[dir] = &tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755}
	}
}
