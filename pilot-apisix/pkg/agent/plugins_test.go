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

package agent

import (
	"slices"
	"testing"

	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/store"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

func TestWhatResourcesUse(t *testing.T) {
	route := func(id, plugins string) *store.Resource {
		return store.NewResource(apisix.Routes, id, "1", []byte(`{"id":"`+id+`","plugins":`+plugins+`}`), "")
	}
	resources := []*store.Resource{
		route("a", `{"mesh-retry":{"attempts":1,"on":["5xx"],"statuses":[404,409]},"limit-count":{}}`),
		route("b", `{"mesh-retry":{"attempts":1,"on":["5xx"]}}`),
		route("c", `{"mesh-retry":{"attempts":1,"on":[],"statuses":[429]}}`),
		route("d", `{"mesh-retry":{"attempts":1,"on":["5xx"],"statuses":[404,409]}}`),
		// What is none is for APISIX to refuse.
		route("e", `{"mesh-retry":{"statuses":[7]}}`),
		route("f", `{"mesh-retry":{"statuses":"x"}}`),
		route("g", `[]`),
	}
	var u usedPlugins
	for range 2 {
		uses := u.of(resources)
		assert.Equal(t, uses.retryClasses, []string{"429", "5xx_404_409"})
		assert.Equal(t, slices.Contains(uses.http, "limit-count"), true)
		assert.Equal(t, slices.Contains(uses.stream, "limit-count"), false)
	}
	assert.Equal(t, len(u.of(nil).retryClasses), 0)
}
