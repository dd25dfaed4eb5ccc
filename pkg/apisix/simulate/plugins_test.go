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
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// shown is the part of a result that plugins decide, for comparing.
func shown(r Result) string {
	var b strings.Builder
	for _, f := range r.Faults {
		fmt.Fprintf(&b, "%g%% ", f.Percent)
		if f.Abort != nil {
			fmt.Fprintf(&b, "abort %d; ", f.Abort.Status)
		} else {
			fmt.Fprintf(&b, "delay %s; ", f.Delay)
		}
	}
	if a := r.Response; a != nil {
		fmt.Fprintf(&b, "%d", a.Status)
		names := make([]string, 0, len(a.Header))
		for k := range a.Header {
			names = append(names, k)
		}
		slices.Sort(names)
		for _, k := range names {
			fmt.Fprintf(&b, " %s=%s", k, strings.Join(a.Header[k], ","))
		}
		fmt.Fprintf(&b, " %s", a.Body)
	}
	for _, d := range r.Destinations {
		fmt.Fprintf(&b, "%s:%d %d %s%s %v %v; ", d.UpstreamID, d.Weight, d.Status, d.Request.Host, d.Request.Path, d.Request.Changes, d.ResponseChanges)
	}
	for _, m := range r.Mirrors {
		fmt.Fprintf(&b, "copy %s %g%% %s%s; ", m.UpstreamID, m.Percent, m.Host, m.Path)
	}
	return strings.TrimRight(b.String(), " ;")
}

func TestPlugins(t *testing.T) {
	get := func(path string, pairs ...string) Request {
		return Request{Host: "h.test:80", Path: path, Header: header(pairs...)}
	}
	method := func(m string, r Request) Request {
		r.Method = m
		return r
	}
	cors := `"mesh-cors":{"allow_origins":[{"regex":"^(?:https://[a-z]+\\.test)\\z"},{"prefix":"x"}],"allow_methods":"GET","allow_headers":"*","expose_headers":"e","max_age":"5","allow_credentials":true`
	preflight := method("OPTIONS", get("/", "Origin", "https://a.test", "Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "x-h"))
	badPreflight := method("OPTIONS", get("/", "Origin", "http://a.test", "Access-Control-Request-Method", "PUT"))
	for _, tt := range []struct {
		name, plugins string
		request       Request
		want          string
	}{
		{"none", ``, get("/a?b"), `u1:1 0 h.test:80/a?b [] []`},
		{"split", `"traffic-split":{"rules":[{"weighted_upstreams":[{"upstream_id":"u1","weight":1},{"upstream_id":"u2","weight":0},{"upstream_id":"u1","weight":7}]}]}`, get("/"), `u1:7 0 h.test:80/ [] []`},
		{"split without weights", `"traffic-split":{"rules":[{"weighted_upstreams":[{"upstream_id":"u1","weight":0},{"upstream_id":"u2","weight":0}]}]}`, get("/"), `u1:1 0 h.test:80/ [] []; u2:1 0 h.test:80/ [] []`},
		{"split by match", `"traffic-split":{"rules":[{"match":[{"vars":[["http_x","==","1"]]}],"weighted_upstreams":[{"upstream_id":"u2"}]}]}`, get("/", "x", "1"), `u2:1 0 h.test:80/ [] []`},
		{"split without a match", `"traffic-split":{"rules":[{"match":[{"vars":[["http_x","==","1"]]}],"weighted_upstreams":[{"upstream_id":"u2"}]}]}`, get("/"), `u1:1 0 h.test:80/ [] []`},
		{"split to what is absent", `"traffic-split":{"rules":[{"weighted_upstreams":[{"upstream_id":"nil"}]}]}`, get("/"), `500 failed to fetch upstream info by upstream id: nil`},
		{"split to what is empty", `"traffic-split":{"rules":[{"weighted_upstreams":[{"upstream_id":"u1"},{"upstream_id":"empty"}]}]}`, get("/"), `u1:1 0 h.test:80/ [] []; empty:1 503  [] []`},
		{"fault-injection", `"fault-injection":{"abort":{"http_status":418,"body":"${uri} $arg_a \\$uri $nil","headers":{"x":"$host"}}}`, get("/p?a=1"), `100% abort 418; 418 X=h.test /p 1 \$uri `},
		{"fault-injection by vars", `"fault-injection":{"abort":{"http_status":418,"percentage":50,"vars":[[["uri","==","/x"]],[["uri","==","/p"]]]},"delay":{"duration":2,"percentage":0}}`, get("/p"), `50% abort 418; u1:1 0 h.test:80/p [] []`},
		{"mesh-fault", `"mesh-fault":{"delay":{"duration":0.5,"percentage":0.00004},"abort":{"http_status":503,"percentage":12.34567}}`, get("/"), `12.3457% abort 503; u1:1 0 h.test:80/ [] []`},
		{"abort", `"mesh-fault":{"delay":{"duration":0.5,"percentage":1},"abort":{"grpc_status":14,"percentage":100}}`, get("/"), `1% delay 500ms; 100% abort 503; 503 Content-Type=text/plain fault filter abort`},
		{"abort of gRPC", `"mesh-fault":{"abort":{"http_status":404,"percentage":100}}`, get("/", "Content-Type", "application/grpc+proto"), `100% abort 200; 200 Content-Type=application/grpc Grpc-Message=fault filter abort Grpc-Status=12 `},
		{"preflight", cors + `}`, preflight, `200 Access-Control-Allow-Credentials=true Access-Control-Allow-Headers=x-h Access-Control-Allow-Methods=GET Access-Control-Allow-Origin=https://a.test Access-Control-Expose-Headers=e Access-Control-Max-Age=5 `},
		{"other preflight", cors + `}`, badPreflight, `u1:1 0 h.test:80/ [] []`},
		{"other preflight, not forwarded", cors + `,"forward_not_matching_preflights":false}`, badPreflight, `200 Access-Control-Allow-Credentials=true Access-Control-Allow-Methods=GET Access-Control-Max-Age=5 `},
		{"origin", cors + `}`, get("/", "Origin", "xyz"), `u1:1 0 h.test:80/ [] [set Access-Control-Allow-Origin: xyz set Access-Control-Allow-Credentials: true set Access-Control-Expose-Headers: e]`},
		{"other origin", cors + `}`, get("/", "Origin", "yz"), `u1:1 0 h.test:80/ [] []`},
		{"redirect", `"mesh-redirect":{"code":301}`, get("/a%20b?c"), `301 Location=http://h.test:80/a%20b?c `},
		{"redirect to https", `"mesh-redirect":{"code":302,"scheme":"https"}`, get("/a"), `302 Location=https://h.test/a `},
		{"redirect to a port", `"mesh-redirect":{"code":302,"port":8443,"path":"new"}`, get("/a?b"), `302 Location=http://h.test:8443/new?b `},
		{"redirect to a query", `"mesh-redirect":{"code":302,"authority":"x:1","path":"/n?q"}`, get("/a?b"), `302 Location=http://x:1/n?q `},
		{"redirect of a prefix", `"mesh-redirect":{"code":307,"prefix_rewrite":{"prefix":"/a","rewrite":"/n"}}`, get("/a/b?c"), `307 Location=http://h.test:80/n/b?c `},
		{"redirect of the path", `"mesh-redirect":{"code":307,"prefix_rewrite":{"rewrite":"/n"}}`, get("/a/b?c"), `307 Location=http://h.test:80/n?c `},
		{"direct", `"mesh-direct-response":{"status":404,"body_base64":"YQ=="}`, get("/"), `404 Content-Type=text/plain a`},
		{"direct to HEAD", `"mesh-direct-response":{"status":200,"body":"a"}`, method("HEAD", get("/")), `200 Content-Type=text/plain `},
		{"direct without a body", `"mesh-direct-response":{"status":200}`, get("/"), `200 `},
		{"prefix", `"mesh-rewrite":{"uri":{"prefix":"/a","rewrite":"/n"},"authority":"x"}`, get("/a/b?c"), `u1:1 0 x/n/b?c [set x-envoy-original-path: /a/b?c] []`},
		{"prefix that is encoded", `"mesh-rewrite":{"uri":{"prefix":"/a b","rewrite":"/n"}}`, get("/a%20b/%C3%A4?c"), `u1:1 0 h.test:80/n/%C3%A4?c [set x-envoy-original-path: /a%20b/%C3%A4?c] []`},
		{"prefix behind dots", `"mesh-rewrite":{"uri":{"prefix":"/a","rewrite":"/n"}}`, get("/x/../a/b"), `u1:1 0 h.test:80/n/b [set x-envoy-original-path: /x/../a/b] []`},
		{"another prefix", `"mesh-rewrite":{"uri":{"prefix":"/b","rewrite":"/n"}}`, get("/a//b"), `u1:1 0 h.test:80/a//b [] []`},
		{"no slash", `"mesh-rewrite":{"uri":{"prefix":"/a/","rewrite":"n "}}`, get("/a/b"), `u1:1 0 h.test:80/n%20b [set x-envoy-original-path: /a/b] []`},
		{"regex", `"mesh-rewrite":{"regex":{"pattern":"/([a-z])","substitution":"/${1}$1$$"}}`, get("/a/b?/c"), `u1:1 0 h.test:80/aa$/bb$?/c [set x-envoy-original-path: /a/b?/c] []`},
		{"regex that matches nothing", `"mesh-rewrite":{"regex":{"pattern":"a*","substitution":"-"}}`, get("/aab"), `u1:1 0 h.test:80/-/-b- [set x-envoy-original-path: /aab] []`},
		{"headers", `"mesh-headers":{"request":{"remove":["x-r"],"values":[{"name":"x-a","value":"+","append":true},{"name":"x-a","value":["<",{"var":"http_x_a"},{"var":"http_x_r"},">"]},{"name":"x-e","value":[{"var":"http_x_r"}]}]},"response":{"values":[{"name":"Location","value":"$uri","append":true}]}}`, get("/", "x-a", "1", "x-r", "2"), `u1:1 0 h.test:80/ [remove x-r set x-a: <1> add x-a: +] [set Location: $uri]`},
		{"headers of an answer", `"mesh-direct-response":{"status":200},"mesh-headers":{"response":{"values":[{"name":"x-a","value":[{"var":"route_id"}]}]}}`, get("/"), `200 X-A=r `},
		{"headers of an abort", `"mesh-fault":{"abort":{"http_status":503,"percentage":100}},"mesh-headers":{"response":{"values":[{"name":"x-a","value":"1"}]}}`, get("/"), `100% abort 503; 503 Content-Type=text/plain fault filter abort`},
		{"mesh-split", `"mesh-split":{"destinations":[{"upstream_id":"u1","weight":1,"authority":"x","request":{"values":[{"name":"a","value":"1"}]}},{"upstream_id":"u1","weight":2,"response":{"remove":["b"]}},{"upstream_id":"u2","weight":0}]},"mesh-rewrite":{"uri":{"rewrite":"/n"}}`, get("/"), `u1:1 0 x/n [set a: 1 set x-envoy-original-path: /] []; u1:2 0 h.test:80/n [set x-envoy-original-path: /] [remove b]`},
		{"mesh-split without weights", `"mesh-split":{"destinations":[{"upstream_id":"empty","weight":0},{"upstream_id":"u1","weight":0}]}`, get("/"), `503 empty:1 503  [] []`},
		{"mirror", `"mesh-mirror":{"mirrors":[{"upstream_id":"u2","percentage":0.5},{"upstream_id":"empty"},{"upstream_id":"u1","percentage":0}]},"mesh-rewrite":{"authority":"x:1"}`, get("/a//b#c?d"), `u1:1 0 x:1/a//b#c?d [] []copy u2 0.5% x-shadow:1/a/b`},
		{"mirror of gRPC", `"mesh-mirror":{"mirrors":[{"upstream_id":"u2"}]}`, get("/", "Content-Type", "application/grpc"), `u1:1 0 h.test:80/ [] []`},
	} {
		r := one(t, tt.plugins).HTTP(tt.request)
		got := strings.ReplaceAll(shown(r), "[] []; copy", "[] []copy")
		if got != strings.TrimRight(tt.want, " ;") && got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

func TestRetry(t *testing.T) {
	r := one(t, `"mesh-retry":{"attempts":0,"per_try_timeout":0.25,"on":["5xx"],"statuses":[409],"backoff":0.5,"previous_hosts":true}`).HTTP(Request{Host: "h", Path: "/"})
	if r.Retry == nil || r.Retry.Attempts != 0 || r.Retry.PerTryTimeout.Milliseconds() != 250 ||
		!slices.Equal(r.Retry.On, []string{"5xx"}) || !slices.Equal(r.Retry.Statuses, []int{409}) || r.Retry.Backoff.Milliseconds() != 500 || !r.Retry.PreviousHosts {
		t.Errorf("%+v", r.Retry)
	}
	if r := one(t, `"mesh-retry":{}`).HTTP(Request{Host: "h", Path: "/"}); r.Retry.Attempts != -1 || !slices.Equal(r.Retry.On, []string{"connect-failure"}) {
		t.Errorf("%+v", r.Retry)
	}
}

// TestGlobalHeaders has a global rule that changes what a route's plugin looks at.
func TestGlobalHeaders(t *testing.T) {
	c := config(t, append(
		upstreams(),
		res("global_rules/g", `{"plugins":{"mesh-headers":{"request":{"values":[{"name":"x","value":"2"}]}}}}`),
		res("routes/r", `{"uri":"/*","upstream_id":"u1","plugins":{"traffic-split":{"rules":[{"match":[{"vars":[["http_x","==","1"]]}],"weighted_upstreams":[{"upstream_id":"u2"}]}]}}}`),
	)...)
	r := c.HTTP(Request{Host: "h", Path: "/", Header: http.Header{"X": {"1"}}})
	if got := shown(r); got != `u1:1 0 h/ [set x: 2] []` {
		t.Error(got)
	}
}
