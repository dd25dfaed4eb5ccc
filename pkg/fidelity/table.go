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

import "github.com/apisix-mesh/pilot-apisix/pkg/ir"

// Object is what becomes of one kind of object.
type Object struct {
	API string
	// Note is a paragraph of documentation, or empty.
	Note string
	// Rows are in the order of the fields in Istio's API. Where several rows have a field, the first says what becomes of
	// it, and the others are exceptions.
	Rows []Row
}

// Row is what becomes of fields of an object.
type Row struct {
	// Field is a path in YAML. "[]" are the members of a list, ".*" the values of a map, "{a,b}" is a choice and a last
	// ".**" everything below. "=VALUE" limits the row to a value, "=*" is all values of an enum, and "[key]" a key of a map.
	Field string
	// Severity is empty for what means here what it means on Envoy.
	Severity ir.Severity
	// Entry is the difference; nil for none, or where no diagnostic tells of it yet.
	Entry *Entry
	// As is another field of the same shape, when its rows hold for this one too: "spec.x", or "Kind spec.x".
	As string
	// Text says what happens instead, or is a note on what is exact.
	Text string
}

// Objects lists the table in the order of its documentation. A test compares it with the descriptors of Istio's API: what is
// in networking/v1alpha3 and concerns sidecars has all its fields here.
func Objects() []Object {
	return []Object{
		virtualService, destinationRule, serviceEntry, workloadEntry, workloadGroup, sidecar, gateway, service, peerAuthentication, authorizationPolicy,
		requestAuthentication, meshConfig, envoyFilter,
	}
}

// exact fields mean what they mean on Envoy.
func exact(field, note string) Row {
	return Row{Field: field, Text: note}
}

// told is the difference e at its own field.
func told(e *Entry) Row {
	return toldAt(e.Field, e)
}

// toldAt is the difference e at another field.
func toldAt(field string, e *Entry) Row {
	return Row{Field: field, Severity: e.Severity, Entry: e, Text: e.Effect}
}

// untold is a difference without a diagnostic. There should be none: whoever makes one puts an Entry in its place.
func untold(s ir.Severity, field, effect string) Row {
	return Row{Field: field, Severity: s, Text: effect}
}

// as is a field whose parts mean what those of another one do.
func as(field, other string) Row {
	return Row{Field: field, As: other}
}
