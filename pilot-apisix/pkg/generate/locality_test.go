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
	"strings"
	"testing"

	"istio.io/istio/pilot/pkg/networking/util"
	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/generate"
)

const rankedService = `# proxy: {namespace: default, locality: r1/z1}
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a, namespace: default}
spec:
  hosts: [a.example]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: 1.1.1.1, locality: r1/z1}, {address: 1.1.1.2, locality: r2/z1}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: a, namespace: default}
spec:
  host: a.example
  subsets:
  - {name: all, trafficPolicy: {outlierDetection: {}}}
  trafficPolicy: {loadBalancer: {simple: RANDOM}}
`

// TestLocalityIsInTheKey says that proxies share their resources across localities only where these do not matter.
func TestLocalityIsInTheKey(t *testing.T) {
	plain := strings.Replace(rankedService, "outlierDetection: {}", "loadBalancer: {simple: ROUND_ROBIN}", 1)
	for name, tt := range map[string]struct {
		input string
		want  bool
	}{
		"outlier detection":    {rankedService, true},
		"of a port":            {strings.Replace(plain, "simple: RANDOM}}\n", "simple: RANDOM}, portLevelSettings: [{port: {number: 80}, outlierDetection: {}}]}\n", 1), true},
		"distribute":           {strings.Replace(rankedService, "outlierDetection: {}", "loadBalancer: {localityLbSetting: {distribute: []}}", 1), true},
		"traffic distribution": {strings.Replace(plain, "{name: a, namespace: default}", "{name: a, namespace: default, annotations: {networking.istio.io/traffic-distribution: PreferClose}}", 1), true},
		"nothing":              {plain, false},
	} {
		t.Run(name, func(t *testing.T) {
			s, proxy := newMesh(t, tt.input)
			source := generate.NewSource(s.Env().EndpointIndex)
			here := source.Key(proxy, s.PushContext())
			proxy.Locality = util.ConvertLocality("r2/z1")
			assert.Equal(t, source.Key(proxy, s.PushContext()) != here, tt.want)
		})
	}
}
