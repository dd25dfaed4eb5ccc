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
	"hash/fnv"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// socketPort is the port of a node that stands for a unix domain socket. Nobody connects to it: APISIX asks for one, and tells the nodes
// of an upstream apart by it, as do those who count failures of a node, so that it must be the same whatever the other nodes are.
func socketPort(path string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(path))
	return int(h.Sum32()%65535) + 1
}

// keepSocketsApart gives those of a list that have the same port by chance others.
func keepSocketsApart(nodes []apisix.Node) {
	var taken map[int]struct{}
	for i := range nodes {
		n := &nodes[i]
		if n.Metadata.Unix == "" {
			continue
		}
		if taken == nil {
			taken = map[int]struct{}{}
		}
		for range 65535 {
			if _, is := taken[n.Port]; !is {
				break
			}
			n.Port = n.Port%65535 + 1
		}
		taken[n.Port] = struct{}{}
	}
}
