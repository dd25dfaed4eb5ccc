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

package generate_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pilot/pkg/config/memory"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/pkg/networking/core"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/schema/collections"
	"istio.io/istio/pkg/config/schema/gvk"
	"istio.io/istio/pkg/log"
	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/generate"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/schema/schematest"
)

// generateConfigs makes resources from configs that nobody validated, and checks that APISIX would take every one.
func generateConfigs(t *testing.T, configs []config.Config) {
	t.Helper()
	for _, s := range log.Scopes() {
		s.SetOutputLevel(log.NoneLevel)
	}
	env := core.NewConfigGenTest(t, core.TestOptions{Configs: configs})
	proxy := env.SetupProxy(&model.Proxy{
		ConfigNamespace: "default",
		DNSDomain:       "default.svc.cluster.local",
		Labels:          map[string]string{"app": "a"},
		Metadata:        &model.NodeMetadata{Namespace: "default", Labels: map[string]string{"app": "a"}},
	})
	source := generate.NewSource(env.Env().EndpointIndex)
	out, err := source.Generate(proxy, &model.PushRequest{Push: env.PushContext()}, nil)
	assert.NoError(t, err)
	checkSchema(t, schematest.Optional(t), out)
	again, err := source.Generate(proxy, &model.PushRequest{Push: env.PushContext()}, nil)
	assert.NoError(t, err)
	// No order of a map may show.
	assert.Equal(t, string(render(t, again)), string(render(t, out)))
}

// storable are the configs that Istio's store takes: no API server holds two objects of one name, or a kind it lacks.
func storable(configs []config.Config) []config.Config {
	store := memory.MakeSkipValidation(collections.PilotGatewayAPI())
	return slices.DeleteFunc(configs, func(c config.Config) bool {
		_, err := store.Create(c)
		return err != nil
	})
}

// FuzzYAML feeds configuration as people write it.
func FuzzYAML(f *testing.F) {
	cases, err := filepath.Glob("testdata/*/*.yaml")
	assert.NoError(f, err)
	for _, path := range cases {
		if b, err := os.ReadFile(path); err == nil && !strings.HasSuffix(path, ".golden.yaml") {
			f.Add(b)
			f.Add(bytes.Join([][]byte{b, b}, []byte("\n---\n"))) // every object twice
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if bytes.Count(b, []byte("\n")) > 200 {
			t.Skip("too long to be worth the time")
		}
		configs, _, err := crd.ParseInputs(string(b))
		if err != nil {
			t.Skip("no configuration")
		}
		if configs = storable(configs); len(configs) == 0 {
			t.Skip("no configuration")
		}
		generateConfigs(t, configs)
	})
}

// FuzzAPI feeds random messages of Istio's API, which no YAML parser and no validation would let through.
func FuzzAPI(f *testing.F) {
	for i := range uint64(40) {
		f.Add(i)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := randomMessages{rand.New(rand.NewPCG(seed, 0))}
		vs, dr, se := &networking.VirtualService{}, &networking.DestinationRule{}, &networking.ServiceEntry{}
		for _, m := range []proto.Message{vs, dr, se} {
			r.fill(m.ProtoReflect(), 0)
		}
		// Without a meeting point nothing of what was generated would ever be looked at.
		const host = "a.example"
		vs.Hosts, vs.Gateways, vs.ExportTo = append(vs.Hosts, host), nil, nil
		dr.Host, dr.ExportTo, dr.WorkloadSelector = host, nil, nil
		se.Hosts, se.ExportTo, se.WorkloadSelector = append(se.Hosts, host), nil, nil
		se.Ports = append(se.Ports, &networking.ServicePort{Number: 80, Name: "http", Protocol: "HTTP"})
		for _, h := range vs.Http {
			h.Delegate = nil
			for i, d := range h.Route {
				if d.Destination == nil {
					d.Destination = &networking.Destination{}
				}
				if i == 0 {
					d.Destination.Host = host
				}
				if len(dr.Subsets) > 0 && i == 1 {
					d.Destination.Host, d.Destination.Subset = host, dr.Subsets[0].Name
				}
			}
		}
		generateConfigs(t, []config.Config{
			{Meta: config.Meta{GroupVersionKind: gvk.VirtualService, Name: "a", Namespace: "default"}, Spec: vs},
			{Meta: config.Meta{GroupVersionKind: gvk.DestinationRule, Name: "a", Namespace: "default"}, Spec: dr},
			{Meta: config.Meta{GroupVersionKind: gvk.ServiceEntry, Name: "a", Namespace: "default"}, Spec: se},
		})
	})
}

// randomMessages fills messages with values of their types.
type randomMessages struct{ *rand.Rand }

// maxDepth is as deep as the parts go that are translated.
const maxDepth = 8

func (r randomMessages) fill(m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		message := f.Message() != nil && !f.IsMap()
		if r.IntN(3) == 0 || message && depth >= maxDepth {
			continue
		}
		switch {
		case f.IsList():
			for list := m.Mutable(f).List(); list.Len() < 3 && r.IntN(3) > 0; {
				if message {
					r.fill(list.AppendMutable().Message(), depth+1)
				} else {
					list.Append(r.scalar(f))
				}
			}
		case f.IsMap():
			for entries := m.Mutable(f).Map(); entries.Len() < 3 && r.IntN(2) > 0; {
				key := r.scalar(f.MapKey()).MapKey()
				if f.MapValue().Message() != nil {
					r.fill(entries.Mutable(key).Message(), depth+1)
				} else {
					entries.Set(key, r.scalar(f.MapValue()))
				}
			}
		case message:
			r.fill(m.Mutable(f).Message(), depth+1)
		default:
			m.Set(f, r.scalar(f))
		}
	}
}

// words are strings that mean something somewhere, and some that must not.
var words = []string{
	"", "a", "a.example", "*", "*.example", "/", "/a", "/a/b*", ".*", "(", `^/x\d+$`, `(?i)[a-z]+`, `\pL`, "x-header", "X_Y", ":method", ":authority",
	"@request.auth.claims.sub", "http", "HTTP", "GRPC", "TCP", "TLS", "80", "10.0.0.1", "::1", "not an address", "1.2.3.0/24", "mesh",
	"a\x00b", "\xff", "é", "\"", "a/b", "Kubernetes", "unix:///x", "v1", "%20", "${x}",
}

func (r randomMessages) scalar(f protoreflect.FieldDescriptor) protoreflect.Value {
	// Small numbers, powers of two and everything else.
	n := int64(r.IntN(600)) - 1
	if r.IntN(8) == 0 {
		n = int64(r.Uint64())
	}
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(n%2 == 0)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(n % 8))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(int32(n))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(uint32(n))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(n)
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(uint64(n))
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(float32(n) / 7)
	case protoreflect.DoubleKind:
		if r.IntN(16) == 0 {
			return protoreflect.ValueOfFloat64(math.NaN())
		}
		return protoreflect.ValueOfFloat64(float64(n) / 7)
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(words[r.IntN(len(words))]))
	default:
		return protoreflect.ValueOfString(words[r.IntN(len(words))])
	}
}
