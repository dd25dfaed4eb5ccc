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

package xds

import (
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"istio.io/istio/pkg/test/util/assert"
	"istio.io/istio/pkg/test/util/retry"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/translate"
	"github.com/apisix-mesh/pilot-apisix/pkg/apis/mesh/v1alpha1"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// message is r as the generated code has it.
func message(r *translate.Resource) *v1alpha1.Resource {
	m := &v1alpha1.Resource{Kind: string(r.Kind), Id: r.ID, Json: r.JSON}
	for _, s := range r.Sources {
		m.Sources = append(m.Sources, &v1alpha1.Source{Kind: s.Kind, Namespace: s.Namespace, Name: s.Name, Field: s.Field})
	}
	return m
}

func TestEncodeIsWhatProtoMarshals(t *testing.T) {
	long := strings.Repeat("x", 300)
	for name, r := range map[string]*translate.Resource{
		"empty":     {},
		"plain":     {Kind: apisix.Routes, ID: "a", JSON: []byte(`{"id":"a"}`)},
		"long json": {Kind: apisix.Upstreams, ID: "b", JSON: []byte(`{"id":"` + strings.Repeat("b", 70000) + `"}`)},
		"sources": {
			Kind: apisix.Routes, ID: "c", JSON: []byte(`{}`), Sources: []ir.Source{
				{Kind: "VirtualService", Namespace: "default", Name: "reviews", Field: "spec.http[0]"},
				{},
				{Name: long},
				{Kind: "Service", Name: "reviews"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			want, err := proto.MarshalOptions{Deterministic: true}.Marshal(message(r))
			assert.NoError(t, err)
			got, payload := encode(r)
			assert.Equal(t, got, want)
			assert.Equal(t, cap(got), len(got))

			bare := *r
			bare.Sources = nil
			want, err = proto.Marshal(message(&bare))
			assert.NoError(t, err)
			assert.Equal(t, got[:payload], want)
		})
	}
}

func FuzzEncode(f *testing.F) {
	f.Add("routes", "id", []byte(`{}`), "VirtualService", "ns", "name", "spec.http[0]")
	f.Add("", "", []byte(nil), "", "", "", "")
	f.Fuzz(func(t *testing.T, kind, id string, json []byte, sourceKind, namespace, name, field string) {
		r := &translate.Resource{
			Kind: apisix.Kind(kind), ID: id, JSON: json,
			Sources: []ir.Source{{Kind: sourceKind, Namespace: namespace, Name: name, Field: field}, {Kind: sourceKind}},
		}
		got, _ := encode(r)
		// What is not UTF-8 must not make the client refuse the response; all the rest is as the generated code has it.
		decoded := &v1alpha1.Resource{}
		if err := proto.Unmarshal(got, decoded); err != nil {
			t.Fatalf("the client cannot read it: %v", err)
		}
		for _, s := range []string{kind, id, sourceKind, namespace, name, field} {
			if !utf8.ValidString(s) {
				return
			}
		}
		want, err := proto.Marshal(message(r))
		assert.NoError(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestVersionIsOfTheContentOnly(t *testing.T) {
	base := translate.Resource{Kind: apisix.Routes, ID: "a", JSON: []byte(`{"id":"a"}`)}
	version := func(change func(r *translate.Resource)) string {
		r := base
		change(&r)
		return newPool().intern(&r).Version
	}
	want := version(func(*translate.Resource) {})
	// This value is part of the protocol: a new release must not make every client fetch everything again.
	assert.Equal(t, want, "c0b5b5fc37f53303c3de9ece1eb4b211")

	assert.Equal(t, version(func(r *translate.Resource) { r.Sources = []ir.Source{{Kind: "Service", Name: "a"}} }), want)
	for name, change := range map[string]func(r *translate.Resource){
		"kind": func(r *translate.Resource) { r.Kind = apisix.Upstreams },
		"id":   func(r *translate.Resource) { r.ID = "b" },
		"json": func(r *translate.Resource) { r.JSON = []byte(`{"id":"a","x":1}`) },
	} {
		if version(change) == want {
			t.Errorf("another %s must give another version", name)
		}
	}
}

func TestPoolSharesAndForgets(t *testing.T) {
	p := newPool()
	r := &translate.Resource{Kind: apisix.Routes, ID: "a", JSON: []byte(`{"id":"a"}`)}
	again := &translate.Resource{Kind: apisix.Routes, ID: "a", JSON: []byte(`{"id":"a"}`)}
	moved := &translate.Resource{Kind: apisix.Routes, ID: "a", JSON: []byte(`{"id":"a"}`), Sources: []ir.Source{{Name: "x"}}}

	first := p.intern(r)
	if p.intern(again) != first {
		t.Error("equal resources must share one marshalled form")
	}
	other := p.intern(moved)
	if other == first || other.Version != first.Version {
		t.Error("other sources must give another marshalled form of the same version")
	}
	runtime.KeepAlive(first)
	runtime.KeepAlive(other)

	retry.UntilSuccessOrFail(t, func() error {
		runtime.GC()
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.known) != 0 || p.bytes != 0 {
			return errStillThere
		}
		return nil
	})
}

func decode(t testing.TB, res *discovery.Resource) *v1alpha1.Resource {
	t.Helper()
	m := &v1alpha1.Resource{}
	if err := res.Resource.UnmarshalTo(m); err != nil {
		t.Fatal(err)
	}
	return m
}
