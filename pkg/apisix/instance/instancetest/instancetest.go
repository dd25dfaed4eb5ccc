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

package instancetest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/instance"
)

// Find returns the installation, or skips the test.
func Find(t testing.TB) instance.Installation {
	t.Helper()
	installation, err := instance.Find()
	if errors.Is(err, instance.ErrNotFound) {
		t.Skipf("SKIPPED: this has not been seen on a real APISIX: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return installation
}

// Start runs an APISIX with that config.yaml until the test ends, with more files in its directory if it needs any. When the
// test has failed its logs are shown.
func Start(t testing.TB, config string, files map[string]string) *instance.Instance {
	t.Helper()
	installation := Find(t)
	// The test's own directory is too long for APISIX's sockets.
	dir, err := os.MkdirTemp("", "apisix")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	p, err := installation.Start(context.Background(), dir, []byte(config), &out)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Stop()
		if t.Failed() {
			t.Logf("APISIX: %s\n%s", &out, p.ErrorLog())
		}
	})
	return p
}
