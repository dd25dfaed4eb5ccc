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
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/pkg/networking/util"
	v3 "istio.io/istio/pilot/pkg/xds/v3"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/spiffe"
	"istio.io/istio/pkg/test/util/assert"
	"istio.io/istio/pkg/test/util/yml"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/generate"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/translate"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/schema"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/schema/schematest"
)

// TestGolden generates for each testdata/<feature>/<case>.yaml what the proxy of its first line gets, and compares it with
// <case>.golden.yaml. REFRESH_GOLDEN=true writes the goldens.
func TestGolden(t *testing.T) {
	cases, err := filepath.Glob("testdata/*/*.yaml")
	assert.NoError(t, err)
	set := schematest.Optional(t)
	for _, path := range cases {
		if strings.HasSuffix(path, ".golden.yaml") {
			continue
		}
		t.Run(strings.TrimSuffix(strings.TrimPrefix(path, "testdata/"), ".yaml"), func(t *testing.T) {
			input, err := os.ReadFile(path)
			assert.NoError(t, err)
			out := generateFor(t, withCertificates(t, string(input)))
			checkSchema(t, set, out)

			got := render(t, out)
			golden := strings.TrimSuffix(path, ".yaml") + ".golden.yaml"
			if os.Getenv("REFRESH_GOLDEN") == "true" {
				assert.NoError(t, os.WriteFile(golden, got, 0o600))
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatalf("%v: run the test with REFRESH_GOLDEN=true and look at what it writes", err)
			}
			assert.Equal(t, string(got), string(want))
		})
	}
}

// testProxy is the proxy that a case is for: its first line, as "# proxy: {…}".
type testProxy struct {
	Namespace string            `json:"namespace"`
	Labels    map[string]string `json:"labels"`
	// Router makes it a gateway, of the service account "gateway".
	Router bool `json:"router"`
	// Locality is region/zone/subzone.
	Locality string `json:"locality"`
}

func parseCase(t testing.TB, input string) (p testProxy, kube, istio string) {
	t.Helper()
	line, _, _ := strings.Cut(input, "\n")
	spec, ok := strings.CutPrefix(line, "# proxy: ")
	if !ok {
		t.Fatalf("the first line must be «# proxy: {namespace: …}», not %q", line)
	}
	assert.NoError(t, yaml.UnmarshalStrict([]byte(spec), &p))
	var k, i []string
	for _, doc := range yml.SplitString(input) {
		var meta struct {
			APIVersion string `json:"apiVersion"`
		}
		assert.NoError(t, yaml.Unmarshal([]byte(doc), &meta))
		switch {
		case meta.APIVersion == "":
		case strings.Contains(meta.APIVersion, "istio.io/"):
			i = append(i, doc)
		default:
			k = append(k, doc)
		}
	}
	return p, yml.JoinString(k...), yml.JoinString(i...)
}

// newMesh starts Istio's fake discovery server with the objects of a case.
func newMesh(t testing.TB, input string) (*xds.FakeDiscoveryServer, *model.Proxy) {
	t.Helper()
	p, kube, istio := parseCase(t, input)
	s := xds.NewFakeDiscoveryServer(t, xds.FakeOptions{KubernetesObjectString: kube, ConfigString: istio, DisableSecretAuthorization: true})
	nodeType := model.SidecarProxy
	if p.Router {
		nodeType = model.Router
	}
	proxy := s.SetupProxy(&model.Proxy{
		Type:             nodeType,
		ID:               "app." + p.Namespace,
		VerifiedIdentity: &spiffe.Identity{TrustDomain: "cluster.local", Namespace: p.Namespace, ServiceAccount: "gateway"},
		ConfigNamespace:  p.Namespace,
		DNSDomain:        p.Namespace + ".svc.cluster.local",
		Labels:           p.Labels,
		IPAddresses:      []string{"10.9.9.9"},
		Locality:         util.ConvertLocality(p.Locality),
		Metadata:         &model.NodeMetadata{Namespace: p.Namespace, Labels: p.Labels, ClusterID: "Kubernetes"},
	})
	return s, proxy
}

func generateFor(t testing.TB, input string) *translate.Output {
	t.Helper()
	s, proxy := newMesh(t, input)
	source := generate.NewSource(s.Env().EndpointIndex).WithCredentials(s.Discovery.Generators[v3.SecretType])
	out, err := source.Generate(proxy, &model.PushRequest{Push: s.PushContext()}, nil)
	assert.NoError(t, err)
	return out
}

// checkSchema holds every resource against APISIX's schema, and against what we promise ourselves of it.
func checkSchema(t testing.TB, set *schema.Set, out *translate.Output) {
	t.Helper()
	names := map[string]bool{}
	for _, r := range out.Resources {
		if names[r.Name()] {
			t.Errorf("%s is there twice", r.Name())
		}
		names[r.Name()] = true
		var object map[string]any
		assert.NoError(t, json.Unmarshal(r.JSON, &object))
		canonical, err := json.Marshal(object)
		assert.NoError(t, err)
		if !slices.Equal(unescape(canonical), r.JSON) {
			t.Errorf("%s is not canonical:\n%s\n%s", r.Name(), r.JSON, canonical)
		}
		if object["id"] != r.ID {
			t.Errorf("%s has id %v", r.Name(), object["id"])
		}
		if set != nil {
			if err := set.Check(r.Kind, r.JSON); err != nil {
				t.Errorf("%s: APISIX would refuse it: %v\n%s", r.Name(), err, r.JSON)
			}
		}
	}
}

// unescape undoes the escapes that encoding/json makes for HTML's sake.
func unescape(b []byte) []byte {
	return []byte(strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(b)))
}

// render is the form of a golden.
func render(t testing.TB, out *translate.Output) []byte {
	t.Helper()
	type resource struct {
		Name    string          `json:"name"`
		Object  json.RawMessage `json:"object"`
		Sources []string        `json:"sources"`
	}
	var doc struct {
		Resources   []resource `json:"resources"`
		Diagnostics []string   `json:"diagnostics"`
	}
	for _, r := range out.Resources {
		var sources []string
		for _, s := range r.Sources {
			sources = append(sources, s.String())
		}
		doc.Resources = append(doc.Resources, resource{r.Name(), withoutPEM(t, r.JSON), sources})
	}
	for _, d := range out.Diagnostics {
		doc.Diagnostics = append(doc.Diagnostics, d.String())
	}
	b, err := yaml.Marshal(doc)
	assert.NoError(t, err)
	return b
}
