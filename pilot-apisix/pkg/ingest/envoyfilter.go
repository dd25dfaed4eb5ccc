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

package ingest

import (
	"cmp"
	"slices"

	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// envoyFilters are the EnvoyFilters that would patch an Envoy in the proxy's place, in a stable order.
func envoyFilters(in Input) []ir.Source {
	merged := in.Push.EnvoyFilters(in.Proxy)
	if merged == nil {
		return nil
	}
	var out []ir.Source
	for _, patches := range merged.Patches {
		for _, p := range patches {
			out = append(out, ir.Source{Kind: "EnvoyFilter", Namespace: p.Namespace, Name: p.Name})
		}
	}
	slices.SortFunc(out, func(a, b ir.Source) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return slices.Compact(out)
}
