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
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// counts are of calls, by what came of them.
type counts struct {
	mu    sync.Mutex
	calls map[string]int
}

func (n *counts) add(what string) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.calls == nil {
		n.calls = map[string]int{}
	}
	n.calls[what]++
}

func (n *counts) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var b strings.Builder
	total := 0
	for _, what := range slices.Sorted(maps.Keys(n.calls)) {
		fmt.Fprintf(&b, "%8d  %s\n", n.calls[what], what)
		total += n.calls[what]
	}
	fmt.Fprintf(&b, "%8d  calls", total)
	return b.String()
}
