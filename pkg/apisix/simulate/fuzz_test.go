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

package simulate

import (
	"net/http"
	"testing"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// FuzzHTTP plays anything against anything that New takes. Nothing may panic, and every request has an end: an answer or a
// destination.
func FuzzHTTP(f *testing.F) {
	f.Add(`{"uri":"/*","upstream_id":"u1"}`, "GET", "a.test:80", "/a/../b%2f?x=1#y", "X-A", "1")
	f.Add(`{"uris":["/a*","/:x/*"],"hosts":["*.test"],"vars":[["OR",["arg_x","~*","^(?i:a)\\z"],["http_x_a","!","==","1"]]],"upstream_id":"empty"}`, "HEAD", "[::1]:8", "http://a?x", "Cookie", "a=b; c")
	f.Add(`{"uri":"/*","plugins":{"mesh-redirect":{"code":301,"prefix_rewrite":{"prefix":"/a","rewrite":"/b"}}}}`, "OPTIONS", "a", "//%41", "Origin", "x")
	f.Add(`{"uri":"*","plugins":{"mesh-rewrite":{"regex":{"pattern":"(a)|b*","substitution":"$1$$"}},"mesh-headers":{"response":{"values":[{"name":"x","value":[{"var":"uri"}]}]}}},"upstream_id":"u1"}`, "POST", "a:", "/\xff", "X_A", "\xff")
	f.Add(`{"uri":"/*","plugins":{"mesh-split":{"destinations":[{"upstream_id":"u1","weight":1},{"upstream_id":"nil","weight":1}]},"mesh-mirror":{"mirrors":[{"upstream_id":"u2"}]},"mesh-cors":{"allow_origins":[{"prefix":""}]}}}`, "GET", "a", "/", "Origin", "*")
	f.Add(`{"uri":"/*","service_id":"s","plugin_config_id":"p","plugins":{"fault-injection":{"abort":{"http_status":200,"body":"$uri ${ arg_a ?? b }"}}}}`, "GET", "a", "/", "X-Real-Ip", ",")
	f.Fuzz(func(t *testing.T, json, method, host, path, name, v string) {
		resources := append(
			upstreams(), Resource{Kind: apisix.Routes, ID: "r", JSON: []byte(json)},
			res("services/s", `{"upstream_id":"u2","plugins":{"mesh-fault":{"abort":{"grpc_status":1,"percentage":1}}}}`),
			res("plugin_configs/p", `{"plugins":{"mesh-rewrite":{"uri":{"prefix":"/a","rewrite":"b"}}}}`),
		)
		c, err := New(resources)
		if err != nil {
			return
		}
		r := c.HTTP(Request{Method: method, Host: host, Path: path, Header: http.Header{name: {v, v}}})
		if r.Response == nil && len(r.Destinations) == 0 {
			t.Errorf("neither an answer nor a destination: %+v", r)
		}
		if r.Response != nil && r.Response.Status < 100 {
			t.Errorf("the answer has the status %d", r.Response.Status)
		}
		if len(r.Why) == 0 {
			t.Error("there is no reason")
		}
	})
}
