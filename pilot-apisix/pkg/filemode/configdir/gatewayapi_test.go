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

package configdir

import (
	"encoding/json"
	"testing"

	"istio.io/istio/pkg/test/util/assert"
)

// TestGatewayDefaults checks what Istio takes for granted because the API server has put it in.
func TestGatewayDefaults(t *testing.T) {
	p := parseFile([]byte(`
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: a}
spec:
  parentRefs: [{name: x}]
  rules:
  - backendRefs: [{name: b, port: 80}]
  - matches: [{headers: [{name: h, value: v}], queryParams: [{name: q, value: v}]}, {path: {value: /x}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: empty}
spec: {}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: g}
spec:
  rules: [{matches: [{method: {service: s}, headers: [{name: h, value: v}]}], backendRefs: [{name: b}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: TCPRoute
metadata: {name: t}
spec:
  parentRefs: [{name: x}]
  rules: [{backendRefs: [{name: b, port: 80}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {name: t}
spec:
  hostnames: [a.example]
  rules: [{backendRefs: [{name: b, port: 443, weight: 2}]}]
`))
	assert.Equal(t, len(p.problems), 0)
	var got []string
	for _, o := range p.objects {
		spec, err := json.Marshal(o.Value.Object["spec"])
		assert.NoError(t, err)
		got = append(got, string(spec))
	}
	assert.Equal(t, got, []string{
		`{"parentRefs":[{"group":"gateway.networking.k8s.io","kind":"Gateway","name":"x"}],"rules":[` +
			`{"backendRefs":[{"group":"","kind":"Service","name":"b","port":80,"weight":1}],"matches":[{"path":{"type":"PathPrefix","value":"/"}}]},` +
			`{"matches":[{"headers":[{"name":"h","type":"Exact","value":"v"}],"path":{"type":"PathPrefix","value":"/"},` +
			`"queryParams":[{"name":"q","type":"Exact","value":"v"}]},{"path":{"type":"PathPrefix","value":"/x"}}]}]}`,
		`{"rules":[{"matches":[{"path":{"type":"PathPrefix","value":"/"}}]}]}`,
		`{"rules":[{"backendRefs":[{"group":"","kind":"Service","name":"b","weight":1}],` +
			`"matches":[{"headers":[{"name":"h","type":"Exact","value":"v"}],"method":{"service":"s","type":"Exact"}}]}]}`,
		`{"parentRefs":[{"group":"gateway.networking.k8s.io","kind":"Gateway","name":"x"}],"rules":[` +
			`{"backendRefs":[{"group":"","kind":"Service","name":"b","port":80,"weight":1}]}]}`,
		`{"hostnames":["a.example"],"rules":[{"backendRefs":[{"group":"","kind":"Service","name":"b","port":443,"weight":2}]}]}`,
	})
}

func TestGatewayFilters(t *testing.T) {
	assert.Equal(t, problemsOf(`apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: a}
spec:
  rules:
  - filters:
    - {type: URLRewrite}
    backendRefs:
    - name: b
      filters:
      - {type: RequestMirror}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: g}
spec:
  rules:
  - filters:
    - {type: ResponseHeaderModifier}
`), []string{
		"line 7: HTTPRoute default/a: spec.rules[0].filters[0]: a filter of that type needs the field urlRewrite",
		"line 11: HTTPRoute default/a: spec.rules[0].backendRefs[0].filters[0]: a filter of that type needs the field requestMirror",
		"line 19: GRPCRoute default/g: spec.rules[0].filters[0]: a filter of that type needs the field responseHeaderModifier",
	})
}
