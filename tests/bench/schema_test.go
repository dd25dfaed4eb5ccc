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

package bench

import (
	"testing"

	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/generate"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/schema/schematest"
)

// TestSchema holds what the benchmarks generate against APISIX's schema.
func TestSchema(t *testing.T) {
	set := schematest.Load(t)
	quiet()
	for _, c := range benchmarkCases {
		c.Services = min(c.Services, 20)
		c.Instances = min(c.Instances, 20)
		t.Run(c.String(), func(t *testing.T) {
			s, proxy := c.start(t)
			out, err := generate.NewSource(s.Env().EndpointIndex).Generate(proxy, &model.PushRequest{Push: s.PushContext()}, nil)
			assert.NoError(t, err)
			if len(out.Resources) == 0 {
				t.Fatal("nothing was generated")
			}
			for _, r := range out.Resources {
				if err := set.Check(r.Kind, r.JSON); err != nil {
					t.Errorf("%s: %v", r.Name(), err)
				}
			}
		})
	}
}
