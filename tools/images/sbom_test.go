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
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

func readSBOM(t *testing.T, dir, name string) spdxDocument {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name+".spdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d spdxDocument
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d spdxDocument) pkg(t *testing.T, id string) spdxPackage {
	t.Helper()
	i := slices.IndexFunc(d.Packages, func(p spdxPackage) bool { return p.SPDXID == id })
	if i < 0 {
		t.Fatalf("there is no package %s", id)
	}
	return d.Packages[i]
}

func TestSBOM(t *testing.T) {
	out := t.TempDir()
	made(t, args(t, out))
	d := readSBOM(t, out, "proxyv2")
	image, descriptor := read(t, out, "proxyv2")
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if d.SPDXVersion != "SPDX-2.3" || d.CreationInfo.Created != "2023-11-14T22:13:20Z" || !strings.HasSuffix(d.DocumentNamespace, descriptor.Digest.Hex) {
		t.Errorf("%s, created %s, namespace %s", d.SPDXVersion, d.CreationInfo.Created, d.DocumentNamespace)
	}
	if got := d.pkg(t, imageID).Checksums; !slices.Equal(got, []spdxChecksum{{"SHA256", descriptor.Digest.Hex}}) {
		t.Errorf("the image's checksums are %v", got)
	}
	if got, want := d.pkg(t, baseID).VersionInfo, config.Config.Labels[ociPrefix+"base.digest"]; got != want || want == "" {
		t.Errorf("the base's digest is %q, want %q", got, want)
	}

	sum := sha256.Sum256([]byte("return {}\n"))
	var files []string
	for _, f := range d.Files {
		files = append(files, f.FileName)
		if strings.HasSuffix(f.FileName, ".lua") && !slices.Contains(f.Checksums, spdxChecksum{"SHA256", hex.EncodeToString(sum[:])}) {
			t.Errorf("%s: checksums %v", f.FileName, f.Checksums)
		}
	}
	if want := []string{
		"./usr/local/bin/pilot-agent",
		"./usr/local/share/pilot-apisix/lua/apisix/mesh/path.lua",
		"./usr/local/share/pilot-apisix/lua/apisix/plugins/mesh-retry.lua",
	}; !slices.Equal(files, want) {
		t.Errorf("files %v, want %v", files, want)
	}

	var modules []string
	for _, p := range d.Packages {
		for _, r := range p.ExternalRefs {
			if strings.HasPrefix(r.ReferenceLocator, "pkg:golang/") {
				modules = append(modules, r.ReferenceLocator)
				if !slices.Contains(d.Relationships, spdxRelationship{d.Files[0].SPDXID, "STATIC_LINK", p.SPDXID}) {
					t.Errorf("nothing is linked from %s", p.Name)
				}
			}
		}
	}
	if want := []string{
		"pkg:golang/example.com/mesh@" + version,
		"pkg:golang/stdlib@" + strings.TrimPrefix(runtime.Version(), "go"),
		"pkg:golang/example.com/dep@v1.2.3",
	}; !slices.Equal(modules, want) {
		t.Errorf("modules %v, want %v", modules, want)
	}
}

// TestIDs wants every element that a relationship names, and every name once.
func TestIDs(t *testing.T) {
	out := t.TempDir()
	made(t, args(t, out))
	for _, r := range recipes {
		d := readSBOM(t, out, r.name)
		ids := map[string]int{documentID: 1}
		for _, p := range d.Packages {
			ids[p.SPDXID]++
		}
		for _, f := range d.Files {
			ids[f.SPDXID]++
		}
		for id, n := range ids {
			if n != 1 {
				t.Errorf("%s: %d elements are %s", r.name, n, id)
			}
		}
		for _, rel := range d.Relationships {
			if ids[rel.SPDXElementID] == 0 || ids[rel.RelatedSPDXElement] == 0 {
				t.Errorf("%s: %v", r.name, rel)
			}
		}
	}
}

func TestModules(t *testing.T) {
	info := &debug.BuildInfo{GoVersion: "go1.26.0", Main: debug.Module{Path: "example.com/mesh"}, Deps: []*debug.Module{
		{Path: "example.com/a", Version: "v1.0.0+incompatible", Sum: "h1:a"},
		{Path: "example.com/b", Version: "v1.0.0", Replace: &debug.Module{Path: "example.com/fork", Version: "v1.0.1", Sum: "h1:b"}},
		{Path: "example.com/c", Version: "v1.0.0", Replace: &debug.Module{Path: "../c", Version: "(devel)"}},
		{Path: "example.com/d", Version: "v1.0.0", Replace: &debug.Module{Path: "../d"}},
	}}
	var got [][3]string
	for _, p := range (options{version: version}).modules(info) {
		got = append(got, [3]string{p.Name, p.ExternalRefs[0].ReferenceLocator, p.SourceInfo})
	}
	want := [][3]string{
		{"example.com/mesh", "pkg:golang/example.com/mesh@" + version, ""},
		{"stdlib", "pkg:golang/stdlib@1.26.0", ""},
		{"example.com/a", "pkg:golang/example.com/a@v1.0.0%2Bincompatible", "h1:a"},
		{"example.com/fork", "pkg:golang/example.com/fork@v1.0.1", "h1:b in the place of example.com/b v1.0.0"},
		{"example.com/c", "pkg:golang/example.com/c@v1.0.0", "from the directory ../c"},
		{"example.com/d", "pkg:golang/example.com/d@v1.0.0", "from the directory ../d"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
