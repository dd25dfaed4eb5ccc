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
	"testing"

	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/pkg/networking/core"
	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/ingest"
)

// TestDestinationCredentials holds that a gateway is told of the Secrets that its DestinationRules name, wherever they do.
func TestDestinationCredentials(t *testing.T) {
	env := core.NewConfigGenTest(t, core.TestOptions{ConfigString: `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a, namespace: default}
spec:
  hosts: [a.example, b.example]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: a, namespace: default}
spec:
  host: a.example
  trafficPolicy:
    tls: {mode: SIMPLE, credentialName: rule}
    portLevelSettings: [{port: {number: 80}, tls: {mode: MUTUAL, credentialName: port}}]
  subsets:
  - name: one
    labels: {version: v1}
    trafficPolicy: {tls: {mode: MUTUAL, credentialName: subset}}
  - name: two
    labels: {version: v2}
    trafficPolicy: {tls: {mode: SIMPLE, credentialName: rule}}
`})
	proxy := env.SetupProxy(&model.Proxy{Type: model.Router, ConfigNamespace: "default"})
	assert.Equal(t, ingest.DestinationCredentials(proxy), []string{"port", "rule", "subset"})
	assert.Equal(t, ingest.DestinationCredentials(&model.Proxy{Type: model.Router}), nil)
}
