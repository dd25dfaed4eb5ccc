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

package translate

import (
	"testing"

	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// TestSocketPorts has ports that do not change with the other nodes, and no port twice.
func TestSocketPorts(t *testing.T) {
	port := socketPort("/run/a.sock")
	assert.Equal(t, port, socketPort("/run/a.sock"))
	nodes := []apisix.Node{
		{Port: port, Metadata: apisix.NodeMetadata{Unix: "/run/a.sock"}},
		{Port: port, Metadata: apisix.NodeMetadata{Unix: "/run/b.sock"}},
		{Port: 65535, Metadata: apisix.NodeMetadata{Unix: "/run/c.sock"}},
		{Port: 65535, Metadata: apisix.NodeMetadata{Unix: "/run/d.sock"}},
		{Host: "10.0.0.1", Port: port},
	}
	keepSocketsApart(nodes)
	var got []int
	for _, n := range nodes {
		got = append(got, n.Port)
	}
	assert.Equal(t, got, []int{port, port + 1, 65535, 1, port})
}
