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

package security

import (
	"os"
	"path/filepath"
	"testing"

	istiosecurity "istio.io/istio/pkg/security"
	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/apisixconf"
)

func TestFilesThatBelongTogether(t *testing.T) {
	versions := 0
	o := &Output{Dir: t.TempDir(), Written: func(string, string) { versions++ }}
	write := func(mark string) error {
		return o.write(&istiosecurity.SecretItem{PrivateKey: []byte("key " + mark), CertificateChain: []byte("chain " + mark)},
			&istiosecurity.SecretItem{RootCert: []byte("roots " + mark)})
	}
	has := func(mark string) {
		t.Helper()
		for name, text := range map[string]string{apisixconf.RootCertFile: "roots ", apisixconf.KeyFile: "key ", apisixconf.CertChainFile: "chain "} {
			b, err := os.ReadFile(filepath.Join(o.Dir, name))
			assert.NoError(t, err)
			assert.Equal(t, string(b), text+mark)
		}
	}
	assert.NoError(t, write("1"))
	has("1")
	// The last of the files cannot be written, as on a full disk.
	inTheWay := filepath.Join(o.Dir, apisixconf.CertChainFile+temporarySuffix)
	assert.NoError(t, os.Mkdir(inTheWay, 0o700))
	assert.Error(t, write("2"))
	has("1")
	assert.Equal(t, versions, 1)
	assert.NoError(t, os.Remove(inTheWay))
	assert.NoError(t, write("3"))
	has("3")
	assert.Equal(t, versions, 2)
}
