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

package fidelity_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

const page = "../../docs/reference/fidelity.md"

// TestPage keeps the documentation at what the table says. REFRESH_GOLDEN=true writes it.
func TestPage(t *testing.T) {
	if os.Getenv("REFRESH_GOLDEN") == "true" {
		if err := os.WriteFile(page, []byte(fidelity.Markdown()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != fidelity.Markdown() {
		t.Error("docs/reference/fidelity.md is not what the table says: run this test with REFRESH_GOLDEN=true")
	}
}

func TestEntries(t *testing.T) {
	code := regexp.MustCompile(`^([A-Z][a-zA-Z0-9]*)$`)
	seen := map[string]bool{}
	for _, e := range fidelity.Entries() {
		if !code.MatchString(e.Code) || seen[e.Code] {
			t.Errorf("%q must be CamelCase and unique", e.Code)
		}
		seen[e.Code] = true
		if e.API == "" || e.Field == "" || e.Effect == "" {
			t.Errorf("%s lacks a part", e.Code)
		}
	}
	for _, e := range fidelity.Entries() {
		has := func(r fidelity.Row) bool { return r.Entry == e && r.Field == e.Field }
		if !slices.ContainsFunc(fidelity.Objects(), func(o fidelity.Object) bool { return o.API == e.API && slices.ContainsFunc(o.Rows, has) }) {
			t.Errorf("%s has no row in its object", e.Code)
		}
	}
	d := fidelity.TimeoutStalledBody.At(ir.Source{Kind: "VirtualService", Namespace: "ns", Name: "x"}.At("spec").At("http"), "%d", 5)
	want := "Approximated TimeoutStalledBody: VirtualService ns/x spec.http: " + fidelity.TimeoutStalledBody.Effect + ": 5"
	if d.String() != want {
		t.Errorf("got %q, want %q", d, want)
	}
}

// TestEntriesAreUsed finds entries that nothing makes a diagnostic of any more.
func TestEntriesAreUsed(t *testing.T) {
	const module = "../.."
	var code bytes.Buffer
	err := filepath.WalkDir(module, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != module && (d.Name() == "fidelity" || d.Name() == "out" || strings.HasPrefix(d.Name(), ".")):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		b, err := os.ReadFile(path)
		code.Write(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range fidelity.Entries() {
		if !regexp.MustCompile(`\bfidelity\.` + e.Code + `\b`).Match(code.Bytes()) {
			t.Errorf("nothing uses fidelity.%s", e.Code)
		}
	}
}
