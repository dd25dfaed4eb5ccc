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

package bench

import (
	"fmt"
	"os"
	"testing"
	"text/tabwriter"
)

// target is the share of Envoy's cost that we want to stay under, in every column.
const target = 0.25

// result is the cost of making one proxy's configuration.
type result struct {
	nanoseconds, allocations, heap, config float64
}

// row is a case with a warm or a cold cache.
type row struct {
	name, cache string
	sides       map[string]result
}

var rows []*row

// note keeps the last result of a benchmark: the earlier ones are the search for an N.
func note(name, side, cache string, r result) {
	for _, old := range rows {
		if old.name == name && old.cache == cache {
			old.sides[side] = r
			return
		}
	}
	rows = append(rows, &row{name: name, cache: cache, sides: map[string]result{side: r}})
}

func TestMain(m *testing.M) {
	code := m.Run()
	printTable()
	os.Exit(code)
}

// printTable prints both sides and their ratio, and says where the target is missed.
func printTable() {
	if len(rows) == 0 {
		return
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Printf("\nThe whole configuration of one proxy, Envoy (CDS+EDS+LDS+RDS) | APISIX = ratio; * misses the target of %v\n\n", target)
	fmt.Fprintln(w, "case\tcache\tms\t\tallocations\t\tallocated kB\t\tconfig kB\t\t")
	for _, r := range rows {
		e, a := r.sides["envoy"], r.sides["apisix"]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", r.name, r.cache,
			pair(e.nanoseconds/1e6, a.nanoseconds/1e6, 2), ratio(e.nanoseconds, a.nanoseconds),
			pair(e.allocations, a.allocations, 0), ratio(e.allocations, a.allocations),
			pair(e.heap/1e3, a.heap/1e3, 0), ratio(e.heap, a.heap),
			pair(e.config/1e3, a.config/1e3, 0), ratio(e.config, a.config))
	}
	_ = w.Flush()
}

func pair(envoy, apisix float64, digits int) string {
	return fmt.Sprintf("%.*f | %.*f", digits, envoy, digits, apisix)
}

func ratio(envoy, apisix float64) string {
	if envoy == 0 || apisix == 0 {
		return "-"
	}
	mark := " "
	if apisix/envoy > target {
		mark = "*"
	}
	return fmt.Sprintf("= %.2f%s", apisix/envoy, mark)
}
