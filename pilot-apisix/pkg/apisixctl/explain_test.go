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
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"istio.io/istio/pkg/test/util/assert"
)

// TestExplain asks about Bookinfo, and about rules that answer by themselves.
func TestExplain(t *testing.T) {
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	assert.NoError(t, os.WriteFile(rules, []byte(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: details, namespace: default}
spec:
  hosts: [details]
  http:
  - match: [{uri: {prefix: /old/}}]
    redirect: {uri: /new, redirectCode: 302}
  - match: [{uri: {prefix: /api/}}]
    timeout: 3s
    retries: {attempts: 3, retryOn: 5xx}
    fault: {delay: {fixedDelay: 2s, percentage: {value: 12.5}}}
    rewrite: {uri: /}
    headers: {request: {set: {x-a: b}}, response: {remove: [x-c]}}
    mirror: {host: ratings}
    route: [{destination: {host: details}}]
`), 0o600))
	jason := samples + "networking/virtual-service-reviews-test-v2.yaml"
	args := []string{
		"explain", "-f", samples + "platform", "-f", samples + "networking/destination-rule-all.yaml", "-f", jason, "-f", rules,
		"--proxy", "productpage-v1.default",
	}
	for _, tt := range []struct {
		name, request string
		headers       []string
		want          []string
	}{
		{
			"jason", "GET http://reviews:9080/reviews/0",
			[]string{"end-user: jason"},
			[]string{"VirtualService default/reviews spec.http[0].match[0] (" + jason + ":12)", "100% to outbound_9080_v2_reviews", "127.0.1.5:9080", "as GET /reviews/0, host reviews:9080"},
		},
		{"another", "http://reviews:9080/reviews/0", nil, []string{"spec.http[1] (" + jason + ":19)", "100% to outbound_9080_v1_reviews", "127.0.1.4:9080"}},
		{"by the Host header", "http://10.0.0.1:9080/", []string{"Host: ratings"}, []string{"Service default/ratings", "127.0.1.3:9080"}},
		{"redirect", "GET http://details:9080/old/x?q=1", nil, []string{"(" + rules + ":8)", "answered by the proxy: 302", "Location: http://details:9080/new?q=1"}},
		{
			"on the way", "GET http://details:9080/api/x", nil,
			[]string{
				"12.5% are delayed by 2s", "as GET /x, host details:9080", "request header: set x-a: b", "response header: remove x-c",
				"mirrored: 100% to outbound_9080__ratings", "timeout: 3s in all", "retries: 3, after 5xx", "not as on Envoy: Approximated MirrorBuffered",
			},
		},
		{"unknown path", "GET http://details:9080/else", nil, []string{"answered by the proxy: 404", "VirtualService default/details"}},
		{"unknown host", "GET http://nowhere/", nil, []string{"Sidecar default/default-sidecar spec.outboundTrafficPolicy", "100% to the original destination"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := append(args, "--request", tt.request)
			for _, h := range tt.headers {
				args = append(args, "-H", h)
			}
			out, _, err := run(t, args...)
			assert.NoError(t, err)
			for _, want := range tt.want {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
		})
	}
	out, _, err := run(t, append(args, "--request", "http://reviews:9080/", "-o", "json")...)
	assert.NoError(t, err)
	var doc struct {
		Destinations []struct{ Endpoints []string }
	}
	assert.NoError(t, json.Unmarshal([]byte(out), &doc))
	assert.Equal(t, doc.Destinations[0].Endpoints, []string{"127.0.1.4:9080"})
}

// TestExplainGatewayAPI names the route that somebody wrote, and its rule.
func TestExplainGatewayAPI(t *testing.T) {
	file := filepath.Join(t.TempDir(), "routes.yaml")
	assert.NoError(t, os.WriteFile(file, []byte(`
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: reviews, namespace: default}
spec:
  parentRefs: [{group: "", kind: Service, name: reviews, port: 9080}]
  rules:
  - backendRefs: [{name: reviews, port: 9080}]
  - matches: [{headers: [{name: end-user, value: jason}]}]
    backendRefs: [{name: ratings, port: 9080}]
---
apiVersion: v1
kind: Service
metadata: {name: ledger, namespace: default}
spec: {ports: [{name: grpc, port: 9000}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: ledger, namespace: default}
spec:
  parentRefs: [{group: "", kind: Service, name: ledger, port: 9000}]
  rules:
  - matches: [{method: {service: bank.Ledger, method: Transfer}}]
    backendRefs: [{name: ledger, port: 9000}]
`), 0o600))
	for _, tt := range []struct {
		request string
		headers []string
		want    string
	}{
		{"http://reviews:9080/x", []string{"end-user: jason"}, "HTTPRoute default/reviews spec.rules[1] (" + file + ":9)\n  100% to outbound_9080__ratings"},
		{"http://reviews:9080/x", nil, "HTTPRoute default/reviews spec.rules[0] (" + file + ":8)\n  100% to outbound_9080__reviews"},
		{"POST http://ledger:9000/bank.Ledger/Transfer", nil, "GRPCRoute default/ledger spec.rules[0] (" + file + ":23)"},
	} {
		args := []string{"explain", "-f", samples + "platform", "-f", file, "--proxy", "productpage-v1.default", "--request", tt.request}
		for _, h := range tt.headers {
			args = append(args, "-H", h)
		}
		out, _, err := run(t, args...)
		assert.NoError(t, err)
		if !strings.HasPrefix(out, tt.want) {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.request, out, tt.want)
		}
	}
}

// TestExplainConnections explains what is no request of the workload.
func TestExplainConnections(t *testing.T) {
	args := []string{"explain", "-f", "testdata/tcproute.yaml", "--proxy", "app.default"}
	for _, tt := range []struct {
		name string
		args []string
		want []string
	}{
		{"weights", []string{"--connection", "10.0.0.1:5432"}, []string{"TCPRoute default/db", "75% to outbound_5432__db", "25% to outbound_5432__db-v2"}},
		{"a server name", []string{"--connection", "10.0.0.3:443", "--sni", "secure.example.com"}, []string{"TLSRoute default/secure", "100% to outbound_5432__db-v2"}},
		{"another name", []string{"--connection", "10.0.0.3:443", "--sni", "other.example.com"}, []string{"100% to the original destination", `no route is for the server name "other.example.com"`}},
		{"nobody", []string{"--connection", "10.0.0.1:5433"}, []string{"TCPRoute default/closed", "closed: there is nobody to connect to"}},
		{"to the workload", []string{"--connection", "10.9.9.9:80", "--inbound"}, []string{"MeshConfig istio inboundTrafficPolicy", "HTTP: detect", "100% to the original destination"}},
		{"a request to the workload", []string{"--request", "http://app/", "--inbound"}, []string{"MeshConfig istio inboundTrafficPolicy", "as GET /, host app"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, _, err := run(t, append(args, tt.args...)...)
			assert.NoError(t, err)
			for _, want := range tt.want {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
		})
	}
}

// TestPlugins writes the plugins that the translator's routes name.
func TestPlugins(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mesh")
	out, _, err := run(t, "plugins", dir)
	assert.NoError(t, err)
	var config struct {
		APISIX struct {
			ExtraLuaPath  string `json:"extra_lua_path"`
			LuaModuleHook string `json:"lua_module_hook"`
		}
		Plugins       []string
		StreamPlugins []string `json:"stream_plugins"`
	}
	assert.NoError(t, yaml.Unmarshal([]byte(out), &config))
	assert.Equal(t, config.APISIX.ExtraLuaPath, filepath.Join(dir, "?.lua"))
	_, err = os.Stat(filepath.Join(dir, strings.ReplaceAll(config.APISIX.LuaModuleHook, ".", "/")+".lua"))
	assert.NoError(t, err)
	for dir, names := range map[string][]string{
		filepath.Join(dir, "apisix/plugins"): config.Plugins, filepath.Join(dir, "apisix/stream/plugins"): config.StreamPlugins,
	} {
		for _, name := range names {
			if !strings.HasPrefix(name, "mesh-") {
				continue
			}
			if _, err := os.Stat(filepath.Join(dir, name+".lua")); err != nil {
				t.Errorf("the translator uses %s: %v", name, err)
			}
		}
	}
}

func TestExplainErrors(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--request", "reviews"}, "METHOD http://HOST"},
		{[]string{"--request", "GET ftp://reviews/"}, "METHOD http://HOST"},
		{[]string{"--request", "http://reviews:0/"}, "1 and 65535"},
		{[]string{"--request", "http://reviews/", "-H", "x"}, "NAME: VALUE"},
		{[]string{"--request", "http://reviews/", "-o", "toml"}, "json, text, yaml"},
		{[]string{}, "request"},
		{[]string{"--connection", "db:3306"}, "IP address and a port"},
		{[]string{"--connection", "10.0.0.1:1", "--request", "http://reviews/"}, "connection"},
	} {
		_, _, err := run(t, append([]string{"explain", "-f", samples + "platform", "--proxy", "productpage-v1.default"}, tt.args...)...)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: got %v, want an error with %q", tt.args, err, tt.want)
		}
	}
}
