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

package apisixctl_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/apisixctl"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/instance/instancetest"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/schema/schematest"
)

const samples = "../../../samples/bookinfo/"

// run is apisixctl with these arguments.
func run(t *testing.T, args ...string) (out, errs string, err error) {
	t.Helper()
	cmd := apisixctl.NewRootCommand()
	var o, e bytes.Buffer
	cmd.SetOut(&o)
	cmd.SetErr(&e)
	cmd.SetArgs(args)
	err = cmd.ExecuteContext(t.Context())
	return o.String(), e.String(), err
}

// TestBookinfo translates each rule of the sample for productpage and compares it with a golden. REFRESH_GOLDEN=true
// writes them.
func TestBookinfo(t *testing.T) {
	rules, err := filepath.Glob(samples + "networking/virtual-service-*.yaml")
	assert.NoError(t, err)
	if len(rules) == 0 {
		t.Fatal("the sample has no rules")
	}
	for _, rule := range append(rules, "") {
		name := "none"
		args := []string{"translate", "-f", samples + "platform", "--proxy", "productpage-v1.default", "-o", "json"}
		if rule != "" {
			name = strings.TrimSuffix(filepath.Base(rule), ".yaml")
			args = append(args, "-f", samples+"networking/destination-rule-all.yaml", "-f", rule)
		}
		t.Run(name, func(t *testing.T) {
			compareTranslation(t, name, args)
		})
	}
}

// TestGatewayRoutes translates routes of the Gateway API for TCP and TLS, which Istio's fake discovery server does not read.
func TestGatewayRoutes(t *testing.T) {
	compareTranslation(t, "tcproute", []string{"translate", "-f", "testdata/tcproute.yaml", "--proxy", "app.default", "-o", "json"})
}

// compareTranslation compares what apisixctl prints with testdata/<name>.golden.yaml.
func compareTranslation(t *testing.T, name string, args []string) {
	t.Helper()
	set := schematest.Optional(t)
	out, errs, err := run(t, args...)
	assert.NoError(t, err)
	var doc struct {
		Resources []struct {
			Name   string          `json:"name"`
			Object json.RawMessage `json:"object"`
		} `json:"resources"`
		Diagnostics []any `json:"diagnostics"`
	}
	assert.NoError(t, json.Unmarshal([]byte(out), &doc))
	for _, r := range doc.Resources {
		kind, _, ok := apisix.SplitName(r.Name)
		assert.Equal(t, ok, true)
		if set != nil {
			assert.NoError(t, set.Check(kind, r.Object))
		}
	}
	assert.Equal(t, strings.Count(errs, "\n"), len(doc.Diagnostics))

	got, err := yaml.JSONToYAML([]byte(out))
	assert.NoError(t, err)
	golden := filepath.Join("testdata", name+".golden.yaml")
	if os.Getenv("REFRESH_GOLDEN") == "true" {
		assert.NoError(t, os.WriteFile(golden, got, 0o600))
	}
	want, err := os.ReadFile(golden)
	assert.NoError(t, err)
	assert.Equal(t, string(got), string(want))
}

func TestTranslateErrors(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.yaml")
	assert.NoError(t, os.WriteFile(bad, []byte("apiVersion: v1\nkind: Service\nmetadata:\n  name: [\n"), 0o600))
	patched := filepath.Join(dir, "patched.yaml")
	assert.NoError(t, os.WriteFile(patched, []byte(`apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata:
  name: patch
  namespace: default
spec:
  configPatches:
  - applyTo: HTTP_FILTER
    patch:
      operation: REMOVE
`), 0o600))
	notAPISIX := httptest.NewServer(http.NotFoundHandler())
	defer notAPISIX.Close()
	proxy := []string{"--proxy", "productpage-v1.default"}
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"no proxy", []string{"-f", samples + "platform"}, "proxy"},
		{"no files", proxy, "filename"},
		{"unknown proxy", []string{"-f", samples + "platform", "--proxy", "nobody.default"}, "productpage-v1.default"},
		{"unknown file", append([]string{"-f", dir + "/none.yaml"}, proxy...), "none.yaml"},
		{"malformed file", append([]string{"-f", samples + "platform", "-f", bad}, proxy...), "bad.yaml:"},
		{"unknown format", append([]string{"-f", samples + "platform", "-o", "toml"}, proxy...), "apisix, json, yaml"},
		{"unknown severity", append([]string{"-f", samples + "platform", "--fail-on", "Bad"}, proxy...), "Approximated"},
		{"severity", append([]string{"-f", samples + "platform", "-f", patched, "--fail-on", "NotCarried"}, proxy...), "--fail-on=NotCarried"},
		{"no control API", append([]string{"-f", samples + "platform", "--check", notAPISIX.URL}, proxy...), "control API"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := run(t, append([]string{"translate"}, tt.args...)...)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
	if _, _, err := run(t, append([]string{"translate", "-f", samples + "platform", "--fail-on", "Refused"}, proxy...)...); err != nil {
		t.Errorf("nothing is refused: %v", err)
	}
}

// TestStandalone lets a standalone APISIX load the output as it is, with the configuration that its header asks for.
func TestStandalone(t *testing.T) {
	instancetest.Find(t)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "reviews") }))
	defer backend.Close()
	port := backend.Listener.Addr().(*net.TCPAddr).Port
	mesh := filepath.Join(t.TempDir(), "mesh.yaml")
	assert.NoError(t, os.WriteFile(mesh, fmt.Appendf(nil, `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews, namespace: default}
spec:
  hosts: [reviews.test]
  ports: [{number: 9080, name: http, protocol: HTTP, targetPort: %d}]
  resolution: STATIC
  endpoints: [{address: 127.0.0.1}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: default}
spec:
  hosts: [reviews.test]
  http:
  - match: [{uri: {prefix: /api}}]
    route: [{destination: {host: reviews.test}}]
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: client, namespace: default}
spec: {address: 127.0.0.1}
`, port), 0o600))
	out, _, err := run(t, "translate", "-f", mesh, "--proxy", "client.default", "-o", "apisix")
	assert.NoError(t, err)

	l, err := net.Listen("tcp", "127.0.0.1:0")
	assert.NoError(t, err)
	listen := l.Addr().(*net.TCPAddr)
	assert.NoError(t, l.Close())
	// What the header says, without its comment signs.
	var snippet strings.Builder
	for _, line := range strings.Split(out, "\n") {
		if text, ok := strings.CutPrefix(line, "#   "); ok {
			snippet.WriteString(text + "\n")
		}
	}
	// The test's own directory belongs to whom nginx's workers may not be.
	plugins, err := os.MkdirTemp("", "lua")
	assert.NoError(t, err)
	defer os.RemoveAll(plugins)
	loading, _, err := run(t, "plugins", plugins)
	assert.NoError(t, err)
	config, err := mergeYAML(snippet.String(), fmt.Sprintf(`
apisix: {node_listen: [{ip: 127.0.0.1, port: %d}], enable_admin: false, enable_control: false, ssl: {enable: false}}
nginx_config: {user: root, worker_processes: 1, worker_rlimit_nofile: 1024, event: {worker_connections: 512}}
deployment: {role: data_plane, role_data_plane: {config_provider: yaml}}
`, listen.Port))
	assert.NoError(t, err)
	config, err = mergeYAML(config, loading)
	assert.NoError(t, err)
	instancetest.Start(t, config, map[string]string{"conf/apisix.yaml": out})

	get := func(path string) (int, string) {
		req, err := http.NewRequest(http.MethodGet, "http://"+listen.String()+path, nil)
		assert.NoError(t, err)
		req.Host = "reviews.test:9080"
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err.Error()
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b)
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		status, body := get("/api")
		if status == http.StatusOK && body == "reviews" {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("got %d %s", status, body)
		}
	}
	if status, body := get("/other"); status != http.StatusNotFound {
		t.Errorf("got %d %s, want 404", status, body)
	}
}

// mergeYAML merges two documents, object by object.
func mergeYAML(a, b string) (string, error) {
	var x, y map[string]any
	if err := yaml.Unmarshal([]byte(a), &x); err != nil {
		return "", err
	}
	if err := yaml.Unmarshal([]byte(b), &y); err != nil {
		return "", err
	}
	merge(x, y)
	out, err := yaml.Marshal(x)
	return string(out), err
}

func merge(into, from map[string]any) {
	for k, v := range from {
		old, ok := into[k].(map[string]any)
		if add, isObject := v.(map[string]any); ok && isObject {
			merge(old, add)
		} else {
			into[k] = v
		}
	}
}
