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

package store

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// FuzzDecode reads damaged files, with a checksum that is right all the same: no panic, no resource that APISIX cannot
// have, and what was read is written back as it was.
func FuzzDecode(f *testing.F) {
	var good bytes.Buffer
	if err := encode(&good, workload, []*Resource{resource(apisix.Upstreams, "u", "1"), resource(apisix.Routes, "r", "2")}); err != nil {
		f.Fatal(err)
	}
	body := good.Bytes()[:good.Len()-sha256.Size]
	f.Add(body)
	f.Add(body[:len(body)-3])
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, body []byte) {
		sum := sha256.Sum256(body)
		resources, err := decode(append(bytes.Clone(body), sum[:]...), workload)
		if err != nil {
			return
		}
		for _, r := range resources {
			if _, _, ok := apisix.SplitName(r.Name()); !ok {
				t.Fatalf("impossible name %q", r.Name())
			}
		}
		var again bytes.Buffer
		if err := encode(&again, workload, resources); err != nil {
			t.Fatal(err)
		}
		reread, err := decode(again.Bytes(), workload)
		if err != nil || len(reread) != len(resources) {
			t.Fatalf("written back, %d resources became %d: %v", len(resources), len(reread), err)
		}
	})
}
