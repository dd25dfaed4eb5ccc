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

// Entry is a difference between what a part of Istio's API means on Envoy and what it means here, of which a diagnostic tells.
type Entry struct {
	// Code names the entry in diagnostics, metrics and documentation. It never changes, and is the name of the Go variable.
	Code     string
	Severity ir.Severity
	// API is the kind of Istio's object, Field the path inside it, as in Row.
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

var all []*Entry

func entry(s ir.Severity, code, api, field, effect string) *Entry {
	e := &Entry{Code: code, Severity: s, API: api, Field: field, Effect: effect}
	all = append(all, e)
	return e
}

// Entries lists the differences that diagnostics tell of, in the order of their declaration, file by file.
func Entries() []*Entry {
	return all
}
