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
	"encoding/json"
	"strings"
	"testing"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/ads"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/standin"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/store"
	"github.com/apisix-mesh/pilot-apisix/pkg/apis/mesh/v1alpha1"
)

func TestParse(t *testing.T) {
	wrap := func(name, kind, id, object string) *discovery.Resource {
		return standin.Wrap(name, &v1alpha1.Resource{Kind: kind, Id: id, Json: []byte(object)})
	}
	unreadable := wrap("routes/a", "routes", "a", `{"id":"a"}`)
	unreadable.Resource.Value = []byte{0xff, 0xff}
	deep := `{"a":` + strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1) + `,"id":"a"}`
	for _, tt := range []struct {
		name string
		in   *discovery.Resource
		// want is a part of the error; "" accepts.
		want string
	}{
		{"good", standin.Resource("routes", "a", `{"id":"a","uri":"/"}`), ""},
		{"escaped id", standin.Resource("routes", "a", `{"id":"\u0061"}`), ""},
		{"nested and in order", standin.Resource("upstreams", "a-b_c.d", `{"a":[1,{"b":null,"c":[]},true],"b":{},"id":"a-b_c.d","nodes":{"10.0.0.1:80":1.5e3}}`), ""},
		{"escaped keys in order", standin.Resource("routes", "a", `{"\u0041":1,"id":"a"}`), ""},
		{"not ASCII", standin.Resource("routes", "a", `{"desc":"größer ☃","id":"a"}`), ""},

		{"nothing", &discovery.Resource{Name: "routes/a"}, "no content"},
		{"another type", &discovery.Resource{Name: "routes/a", Resource: mustAny(t)}, "StringValue"},
		{"unreadable", unreadable, "cannot be read"},
		{"unknown kind", wrap("cats/a", "cats", "a", `{"id":"a"}`), `kind "cats"`},
		{"empty kind", wrap("/a", "", "a", `{"id":"a"}`), `kind ""`},
		{"bad id", wrap("routes/a b", "routes", "a b", `{"id":"a b"}`), `id "a b"`},
		{"id with a slash", wrap("routes/a/b", "routes", "a/b", `{"id":"a/b"}`), `id "a/b"`},
		{"long id", wrap("routes/"+strings.Repeat("a", 65), "routes", strings.Repeat("a", 65), `{}`), "64 characters"},
		{"another name", wrap("routes/b", "routes", "a", `{"id":"a"}`), `"routes/a"`},
		{"the name of another kind", wrap("upstreams/a", "routes", "a", `{"id":"a"}`), `"routes/a"`},
		{"empty", standin.Resource("routes", "a", ``), "not JSON"},
		{"torn", standin.Resource("routes", "a", `{"id":"a"`), "not JSON"},
		{"more than one", standin.Resource("routes", "a", `{"id":"a"}{}`), "not JSON"},
		{"an array", standin.Resource("routes", "a", `[{"id":"a"}]`), "not a JSON object"},
		{"null", standin.Resource("routes", "a", `null`), "not a JSON object"},
		{"no id", standin.Resource("routes", "a", `{"uri":"/"}`), "no id"},
		{"the id of an inner object", standin.Resource("routes", "a", `{"x":{"id":"a"}}`), "no id"},
		{"a number as id", standin.Resource("routes", "1", `{"id":1}`), "not a string"},
		{"another id", standin.Resource("routes", "a", `{"id":"b"}`), "another id"},
		{"space before", standin.Resource("routes", "a", ` {"id":"a"}`), "white space"},
		{"space after", standin.Resource("routes", "a", `{"id":"a"} `), "white space"},
		{"space in an empty object", standin.Resource("routes", "a", `{"id":"a","x":{ }}`), "white space"},
		{"space in an empty array", standin.Resource("routes", "a", `{"id":"a","x":[ ]}`), "white space"},
		{"space before a colon", standin.Resource("routes", "a", `{"id" :"a"}`), "white space"},
		{"space after a colon", standin.Resource("routes", "a", `{"id": "a"}`), "white space"},
		{"space after a comma", standin.Resource("routes", "a", `{"id":"a", "uri":"/"}`), "white space"},
		{"newline after a number", standin.Resource("routes", "a", "{\"id\":\"a\",\"x\":1\n}"), "white space"},
		{"space in an array", standin.Resource("routes", "a", `{"id":"a","x":[1, 2]}`), "white space"},
		{"keys not in order", standin.Resource("routes", "a", `{"uri":"/","id":"a"}`), "not in order"},
		{"inner keys not in order", standin.Resource("routes", "a", `{"id":"a","x":[{"b":1,"a":1}]}`), "not in order"},
		{"escaped keys not in order", standin.Resource("routes", "a", `{"id":"a","\u0061":1}`), "not in order"},
		{"a key twice", standin.Resource("routes", "a", `{"id":"a","id":"a"}`), "twice"},
		{"an empty key twice", standin.Resource("routes", "a", `{"":1,"":2,"id":"a"}`), "twice"},
		{"not UTF-8", standin.Resource("routes", "a", "{\"desc\":\"\xff\",\"id\":\"a\"}"), "UTF-8"},
		{"too deep", standin.Resource("routes", "a", deep), "nested deeper"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Parse(tt.in)
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				assert.Equal(t, r.Name(), tt.in.GetName())
				assert.Equal(t, r.Version, tt.in.GetVersion())
				assert.Equal(t, r.Source, "VirtualService default/"+r.ID+" spec.http[0]")
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v does not say %q", err, tt.want)
			}
		})
	}
}

func mustAny(t *testing.T) *anypb.Any {
	a, err := anypb.New(wrapperspb.String("x"))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestErrorsKeepSecrets(t *testing.T) {
	for _, object := range []string{
		`{"id":"other","key":"SECRETSECRET"}`,
		`{"key":"SECRETSECRET","id":"a"}`,
		`{"id":"a","key":SECRETSECRET}`,
		`{"id":"a","key":"SECRETSECRET"`,
	} {
		_, err := Parse(standin.Resource("ssls", "a", object))
		if err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v", object, err)
		}
	}
}

func newHandler(t *testing.T, check Check) (*Handler, *store.Store) {
	t.Helper()
	s, err := store.Open(store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return NewHandler(s, check, nil), s
}

func TestOneBadResourceTakesNothingWithIt(t *testing.T) {
	h, s := newHandler(t, nil)
	assert.Equal(t, h.Received(), false)
	a1 := standin.Resource("routes", "a", `{"id":"a","uri":"/1"}`)
	b1 := standin.Resource("routes", "b", `{"id":"b","uri":"/1"}`)
	assert.Equal(t, len(h.Handle([]*discovery.Resource{a1, b1}, nil)), 0)
	assert.Equal(t, h.Received(), true)

	a2 := standin.Resource("routes", "a", `{"id":"a","uri":"/2"`)
	b2 := standin.Resource("routes", "b", `{"id":"b","uri":"/2"}`)
	c1 := standin.Resource("cats", "c", `{"id":"c"}`)
	rejections := h.Handle([]*discovery.Resource{a2, b2, c1, nil}, nil)
	assert.Equal(t, len(rejections), 3)
	assert.Equal(t, []string{rejections[0].Name, rejections[1].Name, rejections[2].Name},
		[]string{"routes/a", "cats/c", "(number 4 of the response, without a name)"})
	// The last good content serves on under its own version; the neighbor is new.
	assert.Equal(t, h.Versions(), map[string]string{"routes/a": a1.GetVersion(), "routes/b": b2.GetVersion()})
	value, _ := s.Etcd().Get("/apisix/routes/a")
	assert.Equal(t, string(value), `{"id":"a","uri":"/1"}`)
	assert.Equal(t, len(h.Rejected()), 3)

	// What is fixed or removed is no longer outstanding.
	a3 := standin.Resource("routes", "a", `{"id":"a","uri":"/3"}`)
	assert.Equal(t, len(h.Handle([]*discovery.Resource{a3}, []string{"cats/c"})), 0)
	assert.Equal(t, h.Versions()["routes/a"], a3.GetVersion())
	assert.Equal(t, len(h.Rejected()), 1)
}

func TestRejectedAndRemovedInOneResponse(t *testing.T) {
	h, _ := newHandler(t, nil)
	a1 := standin.Resource("routes", "a", `{"id":"a"}`)
	h.Handle([]*discovery.Resource{a1}, nil)
	h.Handle([]*discovery.Resource{standin.Resource("routes", "a", `{`)}, []string{"routes/a"})
	assert.Equal(t, h.Versions(), map[string]string{"routes/a": a1.GetVersion()})
}

func TestNameTwice(t *testing.T) {
	h, s := newHandler(t, nil)
	rejections := h.Handle([]*discovery.Resource{
		standin.Resource("routes", "a", `{"id":"a","uri":"/1"}`),
		standin.Resource("routes", "a", `{"id":"a","uri":"/2"}`),
	}, nil)
	assert.Equal(t, len(rejections), 1)
	value, _ := s.Etcd().Get("/apisix/routes/a")
	assert.Equal(t, string(value), `{"id":"a","uri":"/1"}`)
}

func TestNothingUsableIsNoConfiguration(t *testing.T) {
	h, _ := newHandler(t, nil)
	h.Handle([]*discovery.Resource{standin.Resource("routes", "a", `{`)}, nil)
	assert.Equal(t, h.Received(), false)
	h.Handle(nil, nil)
	assert.Equal(t, h.Received(), true)
}

func TestCheck(t *testing.T) {
	h, _ := newHandler(t, func(r *store.Resource) error {
		var object struct{ URI string }
		if err := json.Unmarshal(r.JSON, &object); err != nil {
			return err
		}
		if !strings.HasPrefix(object.URI, "/") {
			return errStandinSchema
		}
		return nil
	})
	rejections := h.Handle([]*discovery.Resource{
		standin.Resource("routes", "a", `{"id":"a","uri":"x"}`),
		standin.Resource("routes", "b", `{"id":"b","uri":"/x"}`),
	}, nil)
	assert.Equal(t, rejections, []ads.Rejection{{Name: "routes/a", Reason: errStandinSchema.Error()}})
	assert.Equal(t, len(h.Versions()), 1)
}

type standinSchemaError struct{}

func (standinSchemaError) Error() string { return "/uri: does not match the pattern" }

var errStandinSchema = standinSchemaError{}

func TestPlainIstiodDoesNotWipe(t *testing.T) {
	h, s := newHandler(t, nil)
	h.Handle([]*discovery.Resource{standin.Resource("routes", "a", `{"id":"a"}`), standin.Resource("routes", "b", `{"id":"b"}`)}, nil)
	all := []string{"routes/a", "routes/b"}

	h.Versions() // a new stream
	rejections := h.Handle(nil, all)
	assert.Equal(t, len(rejections), 1)
	assert.Equal(t, s.Len(), 2)

	// Later in a stream istiod knows what it does, and a part is no wipe.
	h.Versions()
	assert.Equal(t, len(h.Handle(nil, all[:1])), 0)
	assert.Equal(t, s.Len(), 1)
	assert.Equal(t, len(h.Handle(nil, all[1:])), 0)
	assert.Equal(t, s.Len(), 0)
}

func TestOutstandingIsBounded(t *testing.T) {
	h, _ := newHandler(t, nil)
	for i := range 3 * maxOutstanding {
		h.Handle([]*discovery.Resource{standin.Resource("cats", strings.Repeat("x", i%60)+string(rune('a'+i%26))+strings.Repeat("y", i/60), `{}`)}, nil)
	}
	if n := len(h.Rejected()); n != maxOutstanding {
		t.Fatalf("%d rejections are remembered", n)
	}
}
