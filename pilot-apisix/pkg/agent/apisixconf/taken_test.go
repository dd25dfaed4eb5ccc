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

package apisixconf

import (
	"context"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/lua"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/instance/instancetest"
)

// goldenDir is where goldens have the instance, and goldenIdentity the workload's certificate.
const (
	goldenDir      = "/etc/istio/proxy/apisix"
	goldenIdentity = goldenDir + "/identity"
)

// TestTaken has a real APISIX and its nginx read every golden, with the places and the user of this machine.
func TestTaken(t *testing.T) {
	installation := instancetest.Find(t)
	goldens, err := filepath.Glob("testdata/*.golden.yaml")
	assert.NoError(t, err)
	me, err := user.Current()
	assert.NoError(t, err)
	for _, file := range goldens {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".golden.yaml"), func(t *testing.T) {
			config, err := os.ReadFile(file)
			assert.NoError(t, err)
			// The test's own directory is too long for APISIX's sockets.
			dir, err := os.MkdirTemp("", "apisix")
			assert.NoError(t, err)
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			pack, identity := filepath.Join(dir, "lua"), filepath.Join(dir, "identity")
			assert.NoError(t, lua.Write(pack))
			assert.NoError(t, os.MkdirAll(identity, 0o700))
			root, err := os.ReadFile("testdata/root-cert.pem")
			assert.NoError(t, err)
			assert.NoError(t, os.WriteFile(filepath.Join(identity, RootCertFile), root, 0o600))
			for _, place := range [][2]string{
				{goldenDir, dir},
				{"/usr/local/share/pilot-apisix/lua", pack},
				{"/usr/share/mesh", pack},
				{"user: istio-proxy", "user: " + me.Username},
				{"/dev/stdout", filepath.Join(dir, "access.log")},
				{"/dev/stderr", filepath.Join(dir, "error.log")},
			} {
				config = []byte(strings.ReplaceAll(string(config), place[0], place[1]))
			}
			if err := installation.Check(context.Background(), dir, config); err != nil {
				t.Error(err)
			}
		})
	}
}
