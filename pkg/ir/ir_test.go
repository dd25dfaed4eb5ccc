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

package ir_test

import (
	"testing"

	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

func TestSource(t *testing.T) {
	vs := ir.Source{Kind: "VirtualService", Namespace: "ns", Name: "x"}
	for _, tt := range []struct {
		source ir.Source
		want   string
	}{
		{vs, "VirtualService ns/x"},
		{vs.At("spec.http[0]"), "VirtualService ns/x spec.http[0]"},
		{vs.At("spec.http[0]").At("match[1]").At("uri"), "VirtualService ns/x spec.http[0].match[1].uri"},
		{ir.Source{Kind: "MeshConfig", Name: "istio"}, "MeshConfig istio"},
	} {
		if got := tt.source.String(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	if vs.Field != "" {
		t.Error("At must not change what it was called on")
	}
}

func TestMatchAll(t *testing.T) {
	if !(&ir.Match{}).All() || !(&ir.Match{IgnorePathCase: true}).All() {
		t.Error("a match without conditions takes everything")
	}
	s := &ir.StringMatch{Value: "x"}
	named := []ir.NamedMatch{{Name: "n", StringMatch: *s}}
	for i, m := range []ir.Match{
		{Path: s}, {Method: s}, {Scheme: s}, {Authority: s}, {Headers: named}, {WithoutHeaders: named}, {QueryParams: named},
	} {
		if m.All() {
			t.Errorf("match %d has a condition", i)
		}
	}
}
