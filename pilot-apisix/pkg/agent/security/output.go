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
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	istiosecurity "istio.io/istio/pkg/security"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/apisixconf"
)

// temporarySuffix is of files that are not whole yet.
const temporarySuffix = ".new"

// Output is where the proxy finds the workload's certificate.
type Output struct {
	// Dir is a directory that does not outlive the pod. The private key is in it.
	Dir string
	// Written is called after the files were written: version stands for all of them, roots for those of the mesh alone.
	Written func(version, roots string)
}

// write replaces the files, once all of them are there: without room on the disk the last ones stay, which belong together.
func (o *Output) write(cert, root *istiosecurity.SecretItem) error {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return err
	}
	files := []struct {
		name    string
		content []byte
	}{
		// The roots first: they are needed for whatever the certificate is used for.
		{apisixconf.RootCertFile, root.RootCert},
		{apisixconf.KeyFile, cert.PrivateKey},
		{apisixconf.CertChainFile, cert.CertificateChain},
	}
	for _, f := range files {
		if len(f.content) == 0 {
			return fmt.Errorf("the CA's answer has nothing for %s", f.name)
		}
		if err := os.WriteFile(filepath.Join(o.Dir, f.name+temporarySuffix), f.content, 0o600); err != nil {
			return err
		}
	}
	for _, f := range files {
		if err := os.Rename(filepath.Join(o.Dir, f.name+temporarySuffix), filepath.Join(o.Dir, f.name)); err != nil {
			return err
		}
	}
	o.Written(digest(root.RootCert, cert.CertificateChain), digest(root.RootCert))
	return nil
}

// resume says of the files that an earlier run has left, if they are all there: until the CA answers they are as good as they were.
func (o *Output) resume() {
	root, err := os.ReadFile(filepath.Join(o.Dir, apisixconf.RootCertFile))
	if err != nil {
		return
	}
	chain, err := os.ReadFile(filepath.Join(o.Dir, apisixconf.CertChainFile))
	if err != nil || !fileExists(filepath.Join(o.Dir, apisixconf.KeyFile)) {
		return
	}
	o.Written(digest(root, chain), digest(root))
}

// digest is of what is public.
func digest(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		_, _ = h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
