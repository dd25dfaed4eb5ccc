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

package schema_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/schema"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/schema/schematest"
)

func TestCheck(t *testing.T) {
	set := schematest.Load(t)
	for _, tt := range []struct {
		name string
		kind apisix.Kind
		json string
		err  string
	}{
		{"route", apisix.Routes, `{"uri":"/*","upstream_id":"u"}`, ""},
		{"unknown field", apisix.Routes, `{"uri":"/*","upstream_id":"u","upstream-id":"u"}`, "upstream-id"},
		{"neither uri nor uris", apisix.Routes, `{"upstream_id":"u"}`, "uri"},
		{"bad host", apisix.Routes, `{"uri":"/*","upstream_id":"u","hosts":["a b"]}`, "hosts"},
		{"plugin", apisix.Routes, `{"uri":"/*","plugins":{"fault-injection":{"abort":{"http_status":404}}}}`, ""},
		{"plugin with a bad value", apisix.Routes, `{"uri":"/*","plugins":{"fault-injection":{"abort":{"http_status":100}}}}`, "fault-injection"},
		{"unknown plugin", apisix.Routes, `{"uri":"/*","plugins":{"no-such":{}}}`, `no plugin "no-such"`},
		{"upstream without nodes", apisix.Upstreams, `{"nodes":[],"type":"roundrobin"}`, ""},
		{"upstream with a bad port", apisix.Upstreams, `{"nodes":[{"host":"h","port":0,"weight":1}],"type":"roundrobin"}`, "port"},
		{"no object", apisix.Routes, `[]`, "not a JSON object"},
		{"no JSON", apisix.Routes, `{`, "not JSON"},
		{"metadata without a schema", apisix.PluginMetadata, `{"id":"x"}`, ""},
		{"metadata", apisix.PluginMetadata, `{"id":"mesh-listeners","listeners":[{"port":80,"protocol":"http"}]}`, ""},
		{"bad metadata", apisix.PluginMetadata, `{"id":"mesh-listeners","listeners":[{"port":0,"protocol":"http"}]}`, "port"},
		{"bad certificate", apisix.SSLs, `{"id":"x","sni":"h","cert":"c","key":"k"}`, "cert"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := set.Check(tt.kind, []byte(tt.json))
			if tt.err == "" && err != nil {
				t.Fatal(err)
			}
			if tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Fatalf("got %v, want an error with %q", err, tt.err)
			}
		})
	}
}

func TestFetch(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/schema" {
			_, _ = w.Write([]byte(`{"main":{}}`))
			return
		}
		http.NotFound(w, r)
	}))
	defer server.Close()
	if _, err := schema.Fetch(t.Context(), server.URL); err == nil || !strings.Contains(err.Error(), "main.") {
		t.Fatalf("an incomplete schema: got %v", err)
	}
	if _, err := schema.Fetch(t.Context(), server.URL+"/other"); err == nil || !strings.Contains(err.Error(), "404") {
		t.Fatalf("not a control API: got %v", err)
	}
}
