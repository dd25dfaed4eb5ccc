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

package intake

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	istiolog "istio.io/istio/pkg/log"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/standin"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/store"
	"github.com/apisix-mesh/pilot-apisix/pkg/apis/mesh/v1alpha1"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// FuzzHandle takes anything for what istiod sends: no panic, and what is held afterwards is what APISIX can read. One
// resource is made of parts, another one is raw bytes.
func FuzzHandle(f *testing.F) {
	istiolog.FindScope("agentstore").SetOutputLevel(istiolog.ErrorLevel)
	raw, err := proto.Marshal(&v1alpha1.Resource{Kind: "upstreams", Id: "u", Json: []byte(`{"id":"u"}`)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("routes/a", "routes", "a", []byte(`{"id":"a","plugins":{"x":{"b":[1,2,{"c":"\u00e4"}]}},"uri":"/*"}`), "upstreams/u", raw, "routes/b")
	f.Add("routes/a", "routes", "a", []byte(`{"id": "a"}`), "routes/a", []byte{}, "routes/a")
	f.Add("ssls/1", "ssls", "1", []byte(`{"id":"1"}`), "upstreams/u", raw[:5], "")
	f.Fuzz(func(t *testing.T, name, kind, id string, object []byte, rawName string, raw []byte, removed string) {
		if !utf8.ValidString(kind) || !utf8.ValidString(id) {
			t.Skip("a message of parts cannot hold this; the raw one can")
		}
		s, err := store.Open(store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		h := NewHandler(s, nil, nil)
		resources := []*discovery.Resource{
			standin.Wrap(name, &v1alpha1.Resource{Kind: kind, Id: id, Json: object}),
			{Name: rawName, Version: "1", Resource: &anypb.Any{TypeUrl: v1alpha1.TypeURL, Value: raw}},
		}
		rejections := h.Handle(resources, []string{removed})
		held := s.Resources()
		if len(held)+len(rejections) != len(resources) {
			t.Fatalf("%d resources, %d held, rejected %v", len(resources), len(held), rejections)
		}
		for _, r := range held {
			checkHeld(t, r.Kind, r.ID, r.JSON)
		}
		for _, r := range rejections {
			if r.Name == "" || r.Reason == "" {
				t.Fatalf("a rejection that says nothing: %+v", r)
			}
		}
		h.Handle(nil, []string{name, rawName})
		if n := s.Len(); n > 0 {
			t.Fatalf("%d resources are left after their removal", n)
		}
	})
}

// FuzzCanonical takes any bytes for a resource's JSON.
func FuzzCanonical(f *testing.F) {
	for _, s := range []string{
		`{"id":"a"}`, `{"a":{"b":[1,"\"\\",null,true,-1.5e+9]},"id":"a"}`, `{"id":"a" }`, `{"b":1,"a":2}`, `{"":0,"id":"a"}`, `[`, `{"\u0061":1}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Parse(standin.Resource("routes", "a", string(b)))
		if err == nil {
			checkHeld(t, r.Kind, r.ID, r.JSON)
		}
		// encoding/json writes compact objects with sorted keys. So an object of its making is canonical, and one that it
		// writes in another length is not: there was white space in it, or a key twice.
		var object map[string]any
		decoder := json.NewDecoder(bytes.NewReader(b))
		decoder.UseNumber()
		if decoder.Decode(&object) != nil || object == nil {
			return
		}
		object["id"] = "a"
		written, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(standin.Resource("routes", "a", string(written))); err != nil && !bytes.Contains(written, []byte(`[[[[`)) {
			t.Fatalf("%s is canonical, and refused: %v", written, err)
		}
	})
}

func checkHeld(t *testing.T, kind apisix.Kind, id string, object []byte) {
	t.Helper()
	if _, _, ok := apisix.SplitName(apisix.Name(kind, id)); !ok {
		t.Fatalf("held under the name %s/%s", kind, id)
	}
	var v map[string]any
	if err := json.Unmarshal(object, &v); err != nil {
		t.Fatalf("held: %s: %v", object, err)
	}
	if v["id"] != id {
		t.Fatalf("held under the id %q: %s", id, object)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, object); err != nil || !bytes.Equal(compact.Bytes(), object) {
		t.Fatalf("held with white space: %s (%v)", object, err)
	}
}
