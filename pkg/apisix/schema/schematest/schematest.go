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

package schematest

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/schema"
)

// File is where the schema of the supported APISIX is kept, seen from the root of the repository.
const File = "../shared/schema/apisix-3.18.0.json"

var load = sync.OnceValues(func() (*schema.Set, error) {
	path := find()
	if path == "" {
		return nil, os.ErrNotExist
	}
	set, err := schema.Load(path)
	if err != nil {
		return nil, err
	}
	return set, set.AddMesh()
})

// Load returns the schema, this project's own plugins included, or skips the test where there is none.
func Load(t testing.TB) *schema.Set {
	t.Helper()
	set, err := load()
	if os.IsNotExist(err) {
		t.Skipf("SKIPPED: no schema of APISIX to check against: put what a running APISIX answers to GET /v1/schema "+
			"at %s of the repository, or name the file in APISIX_SCHEMA", File)
	}
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// Optional is Load for tests that have other things to check too: nil where there is no schema.
func Optional(t testing.TB) *schema.Set {
	t.Helper()
	set, err := load()
	if os.IsNotExist(err) {
		t.Logf("no schema of APISIX to check against: see schematest.Load")
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func find() string {
	if path := os.Getenv("APISIX_SCHEMA"); path != "" {
		return path
	}
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			path := filepath.Join(dir, File)
			if _, err := os.Stat(path); err != nil {
				return ""
			}
			return path
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}
