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

package fidelity_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	meshconfig "istio.io/api/mesh/v1alpha1"
	networking "istio.io/api/networking/v1alpha3"
	security "istio.io/api/security/v1beta1"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
)

// complete are the objects of which every field must have a row; of those in partial the rows must name fields that exist.
var (
	complete = map[string]*fields{
		"VirtualService":  fieldsOf(&networking.VirtualService{}, "spec"),
		"DestinationRule": fieldsOf(&networking.DestinationRule{}, "spec"),
		"ServiceEntry":    fieldsOf(&networking.ServiceEntry{}, "spec"),
		"WorkloadEntry":   fieldsOf(&networking.WorkloadEntry{}, "spec"),
		"WorkloadGroup":   fieldsOf(&networking.WorkloadGroup{}, "spec"),
		"Sidecar":         fieldsOf(&networking.Sidecar{}, "spec"),
		"Gateway":         fieldsOf(&networking.Gateway{}, "spec"),

		"AuthorizationPolicy": fieldsOf(&security.AuthorizationPolicy{}, "spec"),
	}
	partial = map[string]*fields{
		"MeshConfig":  fieldsOf(&meshconfig.MeshConfig{}, ""),
		"EnvoyFilter": fieldsOf(&networking.EnvoyFilter{}, "spec"),
	}
)

// TestEveryField fails when a new version of Istio's API brings a field or a value of an enum that the table does not have.
func TestEveryField(t *testing.T) {
	rows := map[string][]fidelity.Row{}
	for _, o := range fidelity.Objects() {
		rows[o.API] = o.Rows
	}
	for _, api := range slices.Sorted(maps.Keys(complete)) {
		for _, leaf := range complete[api].leaves {
			if !covered(rows, api, leaf) {
				t.Errorf("%s has no row for %s", api, leaf)
			}
		}
	}
}

// TestRows fails when a row is about nothing, is not where its field is, or claims too much.
func TestRows(t *testing.T) {
	for _, o := range fidelity.Objects() {
		f := complete[o.API]
		if f == nil {
			f = partial[o.API]
		}
		if f == nil {
			continue // Kubernetes' API
		}
		last := 0
		for _, r := range o.Rows {
			first, final := len(f.leaves), 0
			for _, pattern := range expand(r.Field) {
				if strings.HasPrefix(pattern, "metadata.") {
					first, final = 0, len(f.leaves)
					continue // what every object has
				}
				p, ok := f.find(pattern)
				if !ok {
					t.Errorf("%s: %s (of %s) is no field or no value of it", o.API, pattern, r.Field)
				}
				first, final = min(first, p), max(final, p)
				if r.As != "" {
					sameShape := func(leaf string) bool { _, _, ok := elsewhere(&r, pattern, o.API, leaf); return ok }
					if !slices.ContainsFunc(f.leaves, sameShape) {
						t.Errorf("%s: %s has nothing in common with %s", o.API, r.Field, r.As)
					}
					continue
				}
				if r.Severity == "" && (strings.HasSuffix(pattern, ".**") || strings.HasSuffix(pattern, "=*")) {
					t.Errorf("%s: %s would take fields that are to come for exact: name those that are", o.API, r.Field)
				}
			}
			// An exception may stand behind any of the fields that it is about.
			if final < last {
				t.Errorf("%s: the row of %s is not in the order of the API", o.API, r.Field)
			}
			last = max(last, first)
		}
	}
}

// covered says that a row is about all of a leaf.
func covered(rows map[string][]fidelity.Row, api, leaf string) bool {
	for _, r := range rows[api] {
		for _, pattern := range expand(r.Field) {
			if r.As == "" {
				if matches(pattern, leaf) {
					return true
				}
				continue
			}
			if otherAPI, other, ok := elsewhere(&r, pattern, api, leaf); ok && covered(rows, otherAPI, other) {
				return true
			}
		}
	}
	return false
}

// elsewhere is the field that a leaf is like, according to a row, and false when there is none.
func elsewhere(r *fidelity.Row, pattern, api, leaf string) (otherAPI, other string, ok bool) {
	rest, ok := below(leaf, pattern)
	if !ok {
		return "", "", false
	}
	otherAPI, other, ok = strings.Cut(r.As, " ")
	if !ok {
		otherAPI, other = api, r.As
	}
	other += rest
	f := complete[otherAPI]
	return otherAPI, other, f != nil && slices.Contains(f.leaves, other)
}

// matches says that pattern, which has no choices, is about all of a leaf.
func matches(pattern, leaf string) bool {
	if prefix, ok := strings.CutSuffix(pattern, ".**"); ok {
		_, ok = below(leaf, prefix)
		return ok
	}
	if prefix, ok := strings.CutSuffix(pattern, "=*"); ok {
		_, ok = below(leaf, prefix)
		return ok
	}
	return pattern == leaf
}

// below cuts prefix off a path, where one of its parts ends.
func below(path, prefix string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(path, prefix)
	return rest, ok && (rest == "" || strings.ContainsAny(rest[:1], ".=["))
}

// expand resolves the choices of a pattern.
func expand(pattern string) []string {
	before, rest, ok := strings.Cut(pattern, "{")
	if !ok {
		return []string{pattern}
	}
	choices, after, _ := strings.Cut(rest, "}")
	var out []string
	for choice := range strings.SplitSeq(choices, ",") {
		for _, tail := range expand(after) {
			out = append(out, before+choice+tail)
		}
	}
	return out
}

// fields are those of an object.
type fields struct {
	// leaves are all paths to what has no fields, and the values of enums there, in the order of the API.
	leaves []string
	enums  map[string]bool
}

// find is where what a pattern is about begins among the leaves, and false when it is about nothing.
func (f *fields) find(pattern string) (int, bool) {
	path := strings.TrimSuffix(pattern, ".**")
	if i := strings.LastIndex(path, "["); i >= 0 && strings.HasSuffix(path, "]") && i+2 < len(path) {
		path = path[:i] + ".*" // a key
	}
	if field, value, ok := strings.Cut(path, "="); ok && (!f.enums[field] || value == "*") {
		path = field // any value will do
	} else if !ok && f.enums[path] && path == pattern {
		return 0, false // which value is it?
	}
	i := slices.IndexFunc(f.leaves, func(leaf string) bool {
		_, ok := below(leaf, path)
		return ok
	})
	return i, i >= 0
}

func fieldsOf(m proto.Message, root string) *fields {
	f := &fields{enums: map[string]bool{}}
	f.message(m.ProtoReflect().Descriptor(), root, nil)
	return f
}

func (f *fields) message(m protoreflect.MessageDescriptor, path string, parents []protoreflect.FullName) {
	if m.FullName().Parent() == "google.protobuf" || slices.Contains(parents, m.FullName()) {
		f.leaves = append(f.leaves, path)
		return
	}
	parents = append(slices.Clone(parents), m.FullName())
	if path != "" {
		path += "."
	}
	for i := range m.Fields().Len() {
		field := m.Fields().Get(i)
		at := path + field.JSONName()
		value := field
		switch {
		case field.IsMap():
			at += ".*"
			value = field.MapValue()
		case field.IsList():
			at += "[]"
		}
		switch {
		case value.Message() != nil:
			f.message(value.Message(), at, parents)
		case value.Enum() != nil:
			f.enums[at] = true
			values := value.Enum().Values()
			for n := range values.Len() {
				f.leaves = append(f.leaves, at+"="+string(values.Get(n).Name()))
			}
		default:
			f.leaves = append(f.leaves, at)
		}
	}
}
