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

	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// Entry is a difference between what a part of Istio's API means on Envoy and what it means here.
type Entry struct {
	// Code names the entry in diagnostics, metrics and documentation. It never changes.
	Code     string
	Severity ir.Severity
	// API is the kind of Istio's object, Field the path inside it.
	API, Field string
	// Effect says what happens instead. It is a full sentence without its full stop.
	Effect string
}

// At is the diagnostic of e at src. Detail, when there is any, is appended to the entry's effect.
func (e *Entry) At(src ir.Source, detail string, args ...any) ir.Diagnostic {
	msg := e.Effect
	if detail != "" {
		msg += ": " + fmt.Sprintf(detail, args...)
	}
	return ir.Diagnostic{Severity: e.Severity, Code: e.Code, Source: src, Message: msg}
}

// Exact is a part of Istio's API that means here what it means on Envoy.
type Exact struct {
	API, Field string
	// Note is optional.
	Note string
}
