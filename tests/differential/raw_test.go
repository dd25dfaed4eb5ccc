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

package differential

import (
	"path/filepath"
	"testing"
)

// TestRaw plays connections and requests to the configurations in testdata, which have rules for what is not HTTP.
func TestRaw(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("there are no files to play with: ", err)
	}
	for _, file := range files {
		s := &scenario{objects: readObjects(t, file), namespace: "default", labels: map[string]string{}}
		var calls []*call
		for _, port := range []int{80, 443, 7000} {
			for _, address := range []string{"10.6.5.1", "10.6.7.7", "10.7.0.1", elsewhere} {
				for _, host := range []string{"a.example", "b.example", "other.test"} {
					calls = append(calls, &call{address: address, port: port, method: "GET", host: host, path: "/"})
				}
				calls = append(calls, &call{address: address, port: port, transport: overTCP}, &call{address: address, port: port, transport: overTLS, sni: "a.example"})
			}
		}
		for _, d := range s.compare(t, calls, &counts{}) {
			t.Errorf("%s: %v", file, d)
		}
	}
}
