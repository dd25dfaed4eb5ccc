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

package bootstrap

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	istiobootstrap "istio.io/istio/pilot/pkg/bootstrap"
	v3 "istio.io/istio/pilot/pkg/xds/v3"
	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/filemode/token"
)

// A page of ours must be where upstream's are, for those who may see upstream's, and for nobody else.
func TestAddDebugHandler(t *testing.T) {
	const path, text = "/debug/ownz", "our own page"
	p := startPlane(t, newMesh(t), t.TempDir(), func(s *istiobootstrap.Server) error {
		return AddDebugHandler(s, path, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) })
	})
	for name, addr := range map[string]string{"monitoring": p.monitoring, "http": p.http} {
		if code, body := p.get(addr, path); code != http.StatusOK || body != text {
			t.Errorf("%s port: got %d %q", name, code, body)
		}
	}

	muxes, err := debugMuxes(p.instance.Server)
	assert.NoError(t, err)
	assert.Equal(t, len(muxes), 2)
	tokens := map[string]string{
		"nobody":           "",
		"liar":             "x.y.z",
		"other namespace":  p.token(token.Request{Namespace: "default", ServiceAccount: "x"}),
		"system namespace": p.token(token.Request{Namespace: "istio-system", ServiceAccount: "x"}),
	}
	want := map[string]int{
		"nobody": http.StatusUnauthorized, "liar": http.StatusUnauthorized,
		"other namespace": http.StatusForbidden, "system namespace": http.StatusOK,
	}
	for who, tok := range tokens {
		for i, mux := range muxes {
			// Upstream's own page is the measure.
			for _, page := range []string{path, "/debug/adsz"} {
				req := httptest.NewRequest(http.MethodGet, page, nil)
				req.RemoteAddr = "192.0.2.1:1234"
				if tok != "" {
					req.Header.Set("Authorization", "Bearer "+tok)
				}
				rec := httptest.NewRecorder()
				mux.ServeHTTP(rec, req)
				if rec.Code != want[who] {
					t.Errorf("%s, mux %d, %s: got %d, want %d", who, i, page, rec.Code, want[who])
				}
			}
		}
	}

	// istioctl x internal-debug asks over xDS.
	c := p.xds(p.dial(nil), tokens["system namespace"], node("istioctl", "istio-system", "10.0.0.9", nil), map[string][]string{v3.DebugType: {"ownz"}})
	assert.EventuallyEqual(t, func() string { return string(c.resource(v3.DebugType, "ownz").GetValue()) }, text, eventually...)
	err = p.xds(p.dial(nil), tokens["other namespace"], node("x", "default", "10.0.0.9", nil), map[string][]string{v3.DebugType: {"ownz"}}).failure()
	if !strings.Contains(err.Error(), "not available") {
		t.Errorf("got %v", err)
	}
}
