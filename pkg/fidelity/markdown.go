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
from the table that the translator takes its diagnostics from (` + "`pkg/fidelity`" + `). Each difference below appears with its code,
its object and its field in ` + "`apisixctl translate`, at `/debug/apisixz`" + ` of the control plane, and in the metric
` + "`pilot_apisix_diagnostics`" + `.

## Carried

| Istio | field | note |
|---|---|---|
`)
	for _, c := range Carried {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", c.API, cell(c.Field), c.Note)
	}
	for _, s := range []struct {
		severity ir.Severity
		title    string
	}{
		{ir.Approximated, "Approximated: carried with a difference"},
		{ir.NotCarried, "Not carried: no effect yet; what stands around it is carried"},
		{ir.Refused, "Refused: the traffic concerned is answered with an error, because anything else would be less secure or reach another destination"},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n| Istio | field | code | what happens instead |\n|---|---|---|---|\n", s.title)
		for _, e := range Entries() {
			if e.Severity == s.severity {
				fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", e.API, cell(e.Field), e.Code, e.Effect)
			}
		}
	}
	return b.String()
}

func cell(field string) string {
	return "`" + strings.ReplaceAll(field, "|", `\|`) + "`"
}
