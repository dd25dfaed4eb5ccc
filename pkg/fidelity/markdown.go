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

package fidelity

import (
	"fmt"
	"strings"

	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// Markdown is the table as docs/reference/fidelity.md has it.
func Markdown() string {
	var b strings.Builder
	b.WriteString(`# Fidelity: what Istio's configuration means here

The same YAML must mean the same as it does with Envoy, or its author must be told where it does not. This page is generated
from the table that the translator takes its diagnostics from (` + "`pkg/fidelity`" + `); a test compares it with the descriptors of
Istio's API, so that no field is missing. Each difference appears with its code, its object and its field in
` + "`apisixctl translate`, at `/debug/apisixz`" + ` of the control plane, and in the metric ` + "`pilot_apisix_diagnostics`" + `.

| status | meaning |
|---|---|
| exact | it means what it means on Envoy |
| approximated | carried with a difference |
| not carried | no effect yet; what stands around it is carried |
| refused | the traffic concerned is answered with an error, because anything else would be less secure or reach another destination |

Where a field has several rows, the first says what becomes of it, and the others are exceptions. A difference with "none" for its
code is one that no diagnostic tells of yet. In a field, ` + "`[]`" + ` are the members of a list, ` + "`.*`" + ` the values of a map, ` + "`{a,b}`" + ` is a
choice, ` + "`.**`" + ` everything below, ` + "`=*`" + ` any value.
`)
	for _, o := range Objects() {
		fmt.Fprintf(&b, "\n## %s\n\n", o.API)
		if o.Note != "" {
			b.WriteString(o.Note + "\n\n")
		}
		b.WriteString("| field | status | code | what happens |\n|---|---|---|---|\n")
		for _, r := range o.Rows {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.Field, r.status(), r.code(), r.Text)
		}
	}
	return b.String()
}

func (r *Row) status() string {
	if r.As != "" {
		return "as `" + r.As + "`"
	}
	switch r.Severity {
	case ir.Approximated:
		return "approximated"
	case ir.NotCarried:
		return "not carried"
	case ir.Refused:
		return "refused"
	}
	return "exact"
}

func (r *Row) code() string {
	switch {
	case r.Entry != nil:
		return r.Entry.Code
	case r.Severity != "":
		return "none"
	}
	return ""
}
