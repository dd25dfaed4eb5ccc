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
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestUnpackStaysInside is about archives that somebody made to write elsewhere.
func TestUnpackStaysInside(t *testing.T) {
	var content bytes.Buffer
	w := tar.NewWriter(&content)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "../outside", Size: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.tar"), content.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "in"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unpack(filepath.Join(dir, "x.tar"), filepath.Join(dir, "in")); err == nil || !strings.Contains(err.Error(), "../outside") {
		t.Errorf("got %v, want an error that names ../outside", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "outside")); !os.IsNotExist(err) {
		t.Error("a file was made outside")
	}
}

// TestDamagedBase changes a byte of a layer: what does not have its digest gets into no archive.
func TestDamagedBase(t *testing.T) {
	value := saveLayout(t, newBase(t, amd64))
	image, err := openLayout(strings.TrimPrefix(value, "oci:"), amd64)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := image.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	blob := filepath.Join(strings.TrimPrefix(value, "oci:"), "blobs/sha256", manifest.Layers[0].Digest.Hex)
	content, err := os.ReadFile(blob)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(blob, content, 0o644); err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	err = run(context.Background(), args(t, out, "--base=pilot="+value), epoch, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "image pilot") {
		t.Errorf("got %v, want an error", err)
	}
	if entries, _ := os.ReadDir(out); len(entries) > 0 {
		t.Errorf("%v is left behind", entries)
	}
}
