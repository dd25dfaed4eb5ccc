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
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"

	"istio.io/istio/pilot/pkg/features"
	"istio.io/istio/pilot/pkg/model"
	istioxds "istio.io/istio/pilot/pkg/xds"
	v3 "istio.io/istio/pilot/pkg/xds/v3"
	"istio.io/istio/pkg/test"
	"istio.io/istio/pkg/test/util/assert"
	"istio.io/istio/pkg/test/util/retry"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/translate"
	"github.com/apisix-mesh/pilot-apisix/pkg/apis/mesh/v1alpha1"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

func unmarshal[T any](t testing.TB, b []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return v
}

// page asks for the debug page as a caller of the given namespace; empty is istiod's own host.
func (m *mesh) page(query, caller string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/debug/apisixz"+query, nil)
	if caller != "" {
		r = r.WithContext(context.WithValue(r.Context(), istioxds.CallerNamespaceKey{}, caller))
	}
	rec := httptest.NewRecorder()
	m.generator.DebugHandler().ServeHTTP(rec, r)
	return rec
}

func (m *mesh) statusOf(id string) ProxyStatus {
	m.t.Helper()
	for _, p := range unmarshal[Status](m.t, m.page("", "").Body.Bytes()).Proxies {
		if p.Proxy == id {
			return p
		}
	}
	return ProxyStatus{}
}

func TestDebugPage(t *testing.T) {
	m := newMesh(t, services(2))
	generate := m.source.generate
	m.source.generate = func(proxy *model.Proxy, req *model.PushRequest) (*translate.Output, error) {
		out, err := generate(proxy, req)
		for _, r := range out.Resources {
			if r.Name() == route0 {
				r.Sources = []ir.Source{{Kind: "VirtualService", Namespace: "default", Name: "s0", Field: "spec.http[0]"}}
			}
		}
		out.Resources = append(out.Resources,
			&translate.Resource{Kind: apisix.SSLs, ID: "mesh", JSON: []byte(`{"cert":"public","id":"mesh","key":"PRIVATE"}`)})
		out.Diagnostics = []ir.Diagnostic{{Severity: ir.NotCarried, Code: "TestMirror", Message: "no mirror"}}
		return out, err
	}
	a, b, envoy := m.proxy("a.default"), m.proxy("b.other"), m.proxy("envoy.default")
	r := a.subscribe()
	assert.Equal(t, r.names(), []string{"ssls/mesh", upstream0, upstream1, route0, route1})
	b.subscribe()
	envoy.request(&discovery.DeltaDiscoveryRequest{TypeUrl: v3.ClusterType})
	envoy.anyResponse()

	t.Run("list", func(t *testing.T) {
		retry.UntilOrFail(t, func() bool { return m.statusOf("a.default").Acked != "" })
		page := unmarshal[Status](t, m.page("", "").Body.Bytes())
		assert.Equal(t, len(page.Proxies), 2)
		assert.Equal(t, page.Groups, 2)
		assert.Equal(t, page.Resources, 5)
		p := page.Proxies[0]
		assert.Equal(t, p.Proxy, "a.default")
		assert.Equal(t, p.Namespace, "default")
		assert.Equal(t, p.Type, model.SidecarProxy)
		assert.Equal(t, p.Total, 5)
		assert.Equal(t, p.Kinds, map[string]int{"ssls": 1, "upstreams": 2, "routes": 2})
		assert.Equal(t, p.Codes, map[string]int{"TestMirror": 1})
		assert.Equal(t, p.Sent, p.Acked)
		assert.Equal(t, p.Version, m.PushContext().PushVersion)
		assert.Equal(t, len(p.Resources), 0)
		if p.Updated == nil || p.SentTime == nil || p.Bytes == 0 || p.Peer == "" || p.Connected.IsZero() {
			t.Errorf("incomplete: %+v", p)
		}
		if p.View == "" || p.View != page.Proxies[1].View {
			t.Error("proxies with the same resources must show the same view")
		}
	})
	t.Run("one proxy", func(t *testing.T) {
		p := unmarshal[ProxyStatus](t, m.page("?proxyID=a.default&pretty", "").Body.Bytes())
		assert.Equal(t, len(p.Resources), 5)
		assert.Equal(t, p.Resources[0].Name, "ssls/mesh")
		assert.Equal(t, unmarshal[map[string]string](t, p.Resources[0].JSON),
			map[string]string{"cert": "public", "id": "mesh", "key": redacted})
		assert.Equal(t, p.Resources[3].Name, route0)
		assert.Equal(t, p.Resources[3].Version, a.has[route0])
		assert.Equal(t, p.Resources[3].Sources[0].Field, "spec.http[0]")
		assert.Equal(t, p.Diagnostics[0].Message, "no mirror")
	})
	t.Run("not here", func(t *testing.T) {
		for _, id := range []string{"c.default", "envoy.default", "a", "default"} {
			rec := m.page("?proxyID="+id, "")
			assert.Equal(t, rec.Code, http.StatusNotFound)
			assert.Equal(t, strings.Contains(rec.Body.String(), id), true)
		}
	})
	t.Run("callers", func(t *testing.T) {
		test.SetForTest(t, &features.EnableDebugEndpointAuth, true)
		assert.Equal(t, len(unmarshal[Status](t, m.page("", "istio-system").Body.Bytes()).Proxies), 2)
		assert.Equal(t, len(unmarshal[Status](t, m.page("", "stranger").Body.Bytes()).Proxies), 0)
		own := unmarshal[Status](t, m.page("", "other").Body.Bytes()).Proxies
		assert.Equal(t, len(own), 1)
		assert.Equal(t, own[0].Proxy, "b.other")
		assert.Equal(t, m.page("?proxyID=a.default", "other").Code, http.StatusNotFound)
		assert.Equal(t, m.page("?proxyID=b.other", "other").Code, http.StatusOK)
	})
	t.Run("what was sent, not what would be", func(t *testing.T) {
		before := m.statusOf("a.default")
		m.panics.Store(true)
		quiet(t)
		m.apply(virtualService("default", 0, "v2"))
		retry.UntilOrFail(t, func() bool { return m.statusOf("a.default").Behind })
		assert.Equal(t, m.statusOf("a.default").View, before.View)
		m.panics.Store(false)
		m.apply(virtualService("default", 0, "v3"))
		a.until(route0, "v3")
		if m.statusOf("a.default").View == before.View {
			t.Error("other resources must show another view")
		}
	})
	t.Run("Istio's own dump", func(t *testing.T) {
		before := m.statusOf("a.default")
		rec := httptest.NewRecorder()
		m.DiscoveryDebug.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/debug/config_dump?proxyID=a.default&types="+v1alpha1.TypeURL, nil))
		assert.Equal(t, rec.Code, http.StatusOK)
		var dump struct {
			Configs []struct {
				Kind, ID string
				JSON     []byte
			}
		}
		assert.NoError(t, json.Unmarshal(rec.Body.Bytes(), &dump))
		assert.Equal(t, len(dump.Configs), 5)
		assert.Equal(t, string(dump.Configs[0].JSON), `{"cert":"public","id":"mesh","key":"[redacted]"}`)
		// Asking is not sending.
		after := m.statusOf("a.default")
		assert.Equal(t, after.View, before.View)
		assert.Equal(t, after.Sent, before.Sent)
		m.apply(virtualService("default", 0, "v4"))
		assert.Equal(t, a.until(route0, "v4"), []string{route0})
	})
}

func TestRedact(t *testing.T) {
	for _, tt := range []struct {
		name string
		kind apisix.Kind
		json string
		want string
	}{
		{"a route keeps what to count by", apisix.Routes, `{"plugins":{"limit-count":{"key":"remote_addr"}}}`, ``},
		{"an upstream keeps what to hash by", apisix.Upstreams, `{"hash_on":"header","key":"x-user","type":"chash"}`, ``},
		{"numbers and angles", apisix.Routes, `{"priority":12345678901234567890,"uri":"/<&>"}`, ``},
		{"key of a certificate", apisix.SSLs, `{"cert":"c","key":"k","keys":["k"]}`, `{"cert":"c","key":"[redacted]","keys":"[redacted]"}`},
		{
			"consumer", apisix.Consumers, `{"plugins":{"key-auth":{"key":"k"},"basic-auth":{"password":"p","username":"u"}}}`,
			`{"plugins":{"basic-auth":{"password":"[redacted]","username":"u"},"key-auth":{"key":"[redacted]"}}}`,
		},
		{
			"secret manager", apisix.Secrets, `{"token":"t","uri":"http://vault","auth_config":{"private_key":{"a":1}}}`,
			`{"auth_config":{"private_key":"[redacted]"},"token":"[redacted]","uri":"http://vault"}`,
		},
		{
			"credentials in plugins and headers", apisix.Routes,
			`{"plugins":{"openid-connect":{"client_secret":"s"},"proxy-rewrite":{"headers":{"set":{"Authorization":"Bearer x","X-Api-Key":"k","x":"y"}}}}}`,
			`{"plugins":{"openid-connect":{"client_secret":"[redacted]"},` +
				`"proxy-rewrite":{"headers":{"set":{"Authorization":"[redacted]","X-Api-Key":"[redacted]","x":"y"}}}}}`,
		},
		{
			"client certificate", apisix.Upstreams, `{"tls":{"client_cert":"c","client_key":"k"}}`,
			`{"tls":{"client_cert":"c","client_key":"[redacted]"}}`,
		},
		{"in lists", apisix.Routes, `{"x":[{"password":["p"]},{"y":1}]}`, `{"x":[{"password":"[redacted]"},{"y":1}]}`},
		{"not JSON", apisix.SSLs, `key`, `"[redacted]"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := tt.want
			if want == "" {
				want = tt.json
			}
			got := redact(&translate.Resource{Kind: tt.kind, JSON: []byte(tt.json)})
			assert.Equal(t, string(got), want)
		})
	}
}
