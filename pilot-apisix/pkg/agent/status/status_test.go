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

package status

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/ads"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/security"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/store"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

type standinSource struct {
	notReady  error
	status    Status
	resources []*store.Resource
}

func (s *standinSource) Ready() error                 { return s.notReady }
func (s *standinSource) Status() Status               { return s.status }
func (s *standinSource) Resources() []*store.Resource { return s.resources }

func stats(t *testing.T, source Source) *http.Server {
	t.Helper()
	server, err := Stats(source, StatsOptions{})
	assert.NoError(t, err)
	return server
}

func get(t *testing.T, server *http.Server, path, host string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if host != "" {
		r.Host = host
	}
	w := httptest.NewRecorder()
	server.Handler.ServeHTTP(w, r)
	b, err := io.ReadAll(w.Result().Body)
	assert.NoError(t, err)
	return w.Code, string(b)
}

func TestReadiness(t *testing.T) {
	source := &standinSource{notReady: errors.New("no configuration yet")}
	for _, tt := range []struct {
		server *http.Server
		path   string
	}{
		{Readiness(source), "/healthz/ready"},
		{stats(t, source), "/healthz/ready"},
		{Admin(source, false), "http://localhost:15000/ready"},
	} {
		source.notReady = errors.New("no configuration yet")
		code, body := get(t, tt.server, tt.path, "")
		assert.Equal(t, code, http.StatusServiceUnavailable)
		assert.Equal(t, body, "no configuration yet\n")
		source.notReady = nil
		code, _ = get(t, tt.server, tt.path, "")
		assert.Equal(t, code, http.StatusOK)
	}
}

func TestReadinessServesNothingElse(t *testing.T) {
	for _, path := range []string{"/", "/config_dump", "/status", "/stats/prometheus", "/debug/pprof/"} {
		code, _ := get(t, Readiness(&standinSource{}), path, "")
		assert.Equal(t, code, http.StatusNotFound, path)
	}
	for _, path := range []string{"/", "/config_dump", "/status", "/debug/pprof/"} {
		code, _ := get(t, stats(t, &standinSource{}), path, "")
		assert.Equal(t, code, http.StatusNotFound, path)
	}
}

func TestMetrics(t *testing.T) {
	code, body := get(t, stats(t, &standinSource{}), "/stats/prometheus", "")
	assert.Equal(t, code, http.StatusOK)
	for _, name := range []string{"istio_agent_process_resident_memory_bytes", "istio_agent_go_goroutines"} {
		if !strings.Contains(body, name) {
			t.Errorf("no metric %s", name)
		}
	}
}

func TestAdminAnswersToLocalhostOnly(t *testing.T) {
	admin := Admin(&standinSource{}, false)
	for host, want := range map[string]int{
		"localhost:15000": http.StatusOK, "127.0.0.1:15000": http.StatusOK, "[::1]:15000": http.StatusOK, "localhost": http.StatusOK,
		"evil.example:15000": http.StatusForbidden, "10.0.0.1": http.StatusForbidden, "localhost.evil.example": http.StatusForbidden,
	} {
		code, _ := get(t, admin, "/status", host)
		assert.Equal(t, code, want, host)
	}
}

func TestProfilingIsASwitch(t *testing.T) {
	for profiling, want := range map[bool]int{true: http.StatusOK, false: http.StatusNotFound} {
		code, _ := get(t, Admin(&standinSource{}, profiling), "/debug/pprof/", "localhost")
		assert.Equal(t, code, want)
	}
}

func TestPage(t *testing.T) {
	source := &standinSource{
		status: Status{
			Version: "1.2.3", Started: time.Now(), NotReady: "no configuration yet", Gateway: "127.0.0.1:15022",
			XDS: ads.Status{
				State: ads.StateWaiting, Node: "sidecar~1.2.3.4~a.b~c", Address: "istiod:15012",
				LastFailure: &ads.Failure{Cause: ads.CauseCredentials, Code: "Unauthenticated", Message: "<script>alert(1)</script>", Remedy: "check the token"},
				TypeStatus:  ads.TypeStatus{LastPush: &ads.Push{Resources: 7, Version: "2026-01-01"}},
				Others:      []ads.TypeStatus{{TypeURL: "type.example/other.Type", Nacks: 3, LastNack: []ads.Rejection{{Name: "x", Reason: "<b>bad"}}}},
			},
			Rejected:    []ads.Rejection{{Name: "routes/bad", Reason: "json: not JSON"}},
			Certificate: &security.Certificate{Identity: "spiffe://td/ns/a/sa/b"},
		},
		resources: []*store.Resource{
			store.NewResource(apisix.Upstreams, "u", "1", []byte(`{}`), ""),
			store.NewResource(apisix.Routes, "r", "1", []byte(`{}`), ""),
			store.NewResource(apisix.Routes, "s", "1", []byte(`{}`), ""),
		},
	}
	code, body := get(t, Admin(source, true), "/", "localhost")
	assert.Equal(t, code, http.StatusOK)
	for _, want := range []string{
		"Not ready: no configuration yet", "sidecar~1.2.3.4~a.b~c", "istiod:15012", "check the token", "routes/bad", "spiffe://td/ns/a/sa/b",
		"?kind=routes\">routes</a></td><td>2</td><td>4</td>", "?kind=upstreams\">upstreams</a></td><td>1</td>", "7 resources",
		"type.example/other.Type", "3 NACK", "&lt;b&gt;bad",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q:\n%s", want, body)
		}
	}
	if strings.Contains(body, "<script>") {
		t.Error("what istiod says is part of the page's markup")
	}
	code, body = get(t, Admin(&standinSource{}, true), "/", "localhost")
	assert.Equal(t, code, http.StatusOK)
	if !strings.Contains(body, "Ready") {
		t.Error("a ready proxy is not said to be")
	}
}

func TestStatusIsJSON(t *testing.T) {
	source := &standinSource{status: Status{Version: "1", XDS: ads.Status{State: ads.StateConnected}}}
	code, body := get(t, Admin(source, true), "/status", "localhost")
	assert.Equal(t, code, http.StatusOK)
	var got struct {
		XDS struct{ State string }
	}
	assert.NoError(t, json.Unmarshal([]byte(body), &got))
	assert.Equal(t, got.XDS.State, "connected")
}

// secretObjects have the word SECRET wherever nobody may see it, and PLAIN-1 to PLAIN-<plain> where it must stay.
var secretObjects = []struct {
	kind   apisix.Kind
	object string
	plain  int
}{
	{apisix.SSLs, `{"cert":"PLAIN-1","certs":["PLAIN-2"],"id":"PLAIN-3","key":"SECRET","keys":["SECRET"],"snis":["PLAIN-4"]}`, 4},
	{
		apisix.Upstreams, `{"hash_on":"header","id":"PLAIN-1","key":"PLAIN-2","nodes":[{"host":"PLAIN-3"}],` +
			`"tls":{"client_cert":"PLAIN-4","client_key":"SECRET"}}`, 4,
	},
	{
		apisix.Consumers, `{"id":"PLAIN-1","plugins":{"key-auth":{"key":"SECRET"},` +
			`"basic-auth":{"username":"u","password":"SECRET"}},"username":"PLAIN-2"}`, 2,
	},
	{apisix.Secrets, `{"id":"PLAIN-1","prefix":"SECRET","token":"SECRET","uri":"SECRET"}`, 1},
	{
		apisix.Routes, `{"id":"PLAIN-1","plugins":{"jwt-auth":{"secret":"SECRET"},` +
			`"openid-connect":{"client_id":"PLAIN-2","client_secret":"SECRET","session":{"secret":"SECRET"}},` +
			`"proxy-rewrite":{"headers":{"set":{"Authorization":"SECRET","X-A":"PLAIN-3"}}},"x":[{"redis_password":"SECRET"}]},` +
			`"uri":"/PLAIN-4"}`, 4,
	},
	{apisix.PluginMetadata, `{"id":"PLAIN-1","log_format":{"a":"PLAIN-2"},"access_token":"SECRET"}`, 2},
	{apisix.Routes, `SECRET, and not JSON`, 0},
}

func TestConfigDumpHasNoSecrets(t *testing.T) {
	for _, tt := range secretObjects {
		source := &standinSource{resources: []*store.Resource{store.NewResource(tt.kind, "a", "v1", []byte(tt.object), "Gateway a/b\nSecret a/c")}}
		code, body := get(t, Admin(source, false), "/config_dump", "localhost")
		assert.Equal(t, code, http.StatusOK)
		if strings.Contains(body, "SECRET") {
			t.Errorf("a secret is shown: %s", body)
		}
		for i := range tt.plain {
			if p := fmt.Sprintf("PLAIN-%d", i+1); !strings.Contains(body, p) {
				t.Errorf("%s is not shown: %s", p, body)
			}
		}
		var dumped struct {
			Resources []struct {
				Name, Version, SHA256 string
				Sources               []string
				Redacted              bool
			}
		}
		assert.NoError(t, json.Unmarshal([]byte(body), &dumped))
		r := dumped.Resources[0]
		assert.Equal(t, r.Name, string(tt.kind)+"/a")
		assert.Equal(t, r.Version, "v1")
		assert.Equal(t, r.Sources, []string{"Gateway a/b", "Secret a/c"})
		assert.Equal(t, r.Redacted, true)
		// A hash would help to guess what is hidden.
		assert.Equal(t, r.SHA256, "")
	}
}

func TestConfigDumpSelects(t *testing.T) {
	object := `{"id":"a","priority":12345678901234567,"uri":"/"}`
	source := &standinSource{resources: []*store.Resource{
		store.NewResource(apisix.Upstreams, "a", "1", []byte(`{"id":"a"}`), ""),
		store.NewResource(apisix.Routes, "a", "1", []byte(object), ""),
		store.NewResource(apisix.Routes, "b", "1", []byte(`{"id":"b"}`), ""),
	}}
	for query, want := range map[string][]string{
		"":                                {"upstreams/a", "routes/a", "routes/b"},
		"?kind=routes":                    {"routes/a", "routes/b"},
		"?name=routes/b":                  {"routes/b"},
		"?name=routes/b&name=upstreams/a": {"upstreams/a", "routes/b"},
		"?kind=cats":                      {},
	} {
		_, body := get(t, Admin(source, false), "/config_dump"+query, "localhost")
		var dumped struct {
			Resources []struct {
				Name   string
				SHA256 string
				Object json.RawMessage
			}
		}
		assert.NoError(t, json.Unmarshal([]byte(body), &dumped))
		got := []string{}
		for _, r := range dumped.Resources {
			got = append(got, r.Name)
			assert.Equal(t, len(r.SHA256), 64)
			if r.Name == "routes/a" {
				// What has no secret is shown as it is, byte for byte.
				assert.Equal(t, string(r.Object), object)
			}
		}
		assert.Equal(t, got, want, query)
	}
}
