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

package oracle

import (
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"testing"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/simulate"
)

// requestsPerTable is how many requests each table gets.
const requestsPerTable = 20

// most is how many disagreements are shown, each with its smallest table.
const most = 5

func environment(t *testing.T, name string, otherwise int64) int64 {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// TestMatching lets every route answer by itself, with its name and with what it knows about the request.
func TestMatching(t *testing.T) {
	m := start(t, "fault-injection")
	seed := environment(t, "ORACLE_SEED", 1)
	tables := environment(t, "ORACLE_TABLES", 20)
	t.Logf("ORACLE_SEED=%d ORACLE_TABLES=%d", seed, tables)
	requests, answered, shown := 0, map[int]int{}, 0
	// One disagreement of a table is shown.
	tellers := map[int64]bool{}
	for i := range tables {
		g := &generator{rand.New(rand.NewSource(seed*1_000_003 + i))}
		table := g.table()
		config, err := simulate.New(table)
		if err != nil {
			t.Fatalf("table %d of seed %d: %v", i, seed, err)
		}
		m.serve(table)
		for range requestsPerTable {
			r := g.request(table)
			requests++
			d := m.play(table, config, r, sameAnswer)
			if d == nil {
				answered[config.HTTP(r).Response.Status]++
				continue
			}
			if shown++; len(tellers) < most && !tellers[i] {
				tellers[i] = true
				m.shrink(d, sameAnswer).report(t, fmt.Sprintf("table %d of seed %d", i, seed))
				m.serve(table)
			}
		}
	}
	t.Logf("%d requests, %d disagreements; statuses of those agreed upon: %v", requests, shown, answered)
}

// sameAnswer compares the status, and the body where APISIX or a route wrote it.
func sameAnswer(real answer, result simulate.Result) string {
	want := result.Response
	switch {
	case want == nil:
		return "the simulator forwards the request"
	case real.err != nil:
		return "APISIX does not answer: " + real.err.Error()
	case real.status != want.Status:
		return fmt.Sprintf("APISIX answers %d, the simulator %d", real.status, want.Status)
	case want.Body != "" && real.body != "" && real.body != want.Body:
		return fmt.Sprintf("APISIX answers %q, the simulator %q", real.body, want.Body)
	}
	return ""
}
