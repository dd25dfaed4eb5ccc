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

// Package fidelity is the one table of what this project carries of Istio's API and how truly: what is carried exactly,
// what is approximated, what is not carried and what is refused, field by field, in one file per object.
//
// An Entry is a difference with a code: pilot-apisix/pkg/ingest and pilot-apisix/pkg/translate make their diagnostics of
// it. A Row says which fields are exact and which have an entry. docs/reference/fidelity.md is generated from the rows, so
// that the documentation cannot claim what the code does not do; tests fail when a field of Istio's API has no row, when a
// row is about no field, and when nothing uses an entry.
package fidelity
