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
	"istio.io/istio/pilot/pkg/serviceregistry/provider"
	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/generate"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/translate"
)

const twoServices = `# proxy: {namespace: default}
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a, namespace: default}
spec:
  hosts: [a.example]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: 1.1.1.1}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: b, namespace: default}
spec:
  hosts: [b.example]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: 1.1.1.2}]
`

// TestIncremental walks through changes and checks which resources are made anew and which are taken over.
func TestIncremental(t *testing.T) {
	s, proxy := newMesh(t, twoServices)
	source := generate.NewSource(s.Env().EndpointIndex)
	generated := func(push *model.PushContext, prev *translate.Output) *translate.Output {
		proxy.SetSidecarScope(push)
		out, err := source.Generate(proxy, &model.PushRequest{Push: push}, prev)
		assert.NoError(t, err)
		// Whatever was taken over, the result is that of a computation from nothing.
		fresh, err := source.Generate(proxy, &model.PushRequest{Push: push}, nil)
		assert.NoError(t, err)
		assert.Equal(t, string(render(t, out)), string(render(t, fresh)))
		return out
	}
	newPush := func() *model.PushContext {
		push := model.NewPushContext()
		push.PushVersion = "next"
		push.InitContext(s.Env(), nil, nil)
		return push
	}
	shard := model.ShardKey{Cluster: "Kubernetes", Provider: provider.External}
	endpoint := func(address string) *model.IstioEndpoint {
		return &model.IstioEndpoint{Addresses: []string{address}, EndpointPort: 80, ServicePortName: "http"}
	}

	push := s.PushContext()
	first := generated(push, nil)
	// Two routes and upstreams, one of each for what is outside of the mesh and one for the workload itself, and the stream
	// routes of port 80, of all others and of the workload.
	assert.Equal(t, len(first.Resources), 11)
	assert.Equal(t, generated(push, first) == first, true)

	s.Env().EndpointIndex.UpdateServiceEndpoints(shard, "b.example", "default", []*model.IstioEndpoint{endpoint("1.1.1.3")}, false)
	second := generated(push, first)
	assert.Equal(t, changedNames(first, second), []string{"upstreams/outbound_80__b.example"})
	assert.Equal(t, generated(push, second) == second, true)

	// The same endpoints again are new objects with the same meaning.
	s.Env().EndpointIndex.UpdateServiceEndpoints(shard, "b.example", "default", []*model.IstioEndpoint{endpoint("1.1.1.3")}, false)
	third := generated(push, second)
	assert.Equal(t, changedNames(second, third), nil)

	// A full push without a change makes everything anew and changes nothing.
	next := newPush()
	fourth := generated(next, third)
	assert.Equal(t, changedNames(third, fourth), nil)

	// An endpoint changes together with the context.
	s.Env().EndpointIndex.UpdateServiceEndpoints(shard, "a.example", "default", []*model.IstioEndpoint{
		endpoint("1.1.1.4"), {Addresses: []string{"1.1.1.5"}, EndpointPort: 80, ServicePortName: "http", HealthStatus: model.UnHealthy},
	}, false)
	fifth := generated(newPush(), fourth)
	assert.Equal(t, changedNames(fourth, fifth), []string{"upstreams/outbound_80__a.example"})

	// Another order, and an endpoint that is there twice, mean the same.
	s.Env().EndpointIndex.UpdateServiceEndpoints(shard, "a.example", "default", []*model.IstioEndpoint{endpoint("1.1.1.7"), endpoint("1.1.1.6")}, false)
	fifth = generated(next, fifth)
	s.Env().EndpointIndex.UpdateServiceEndpoints(shard, "a.example", "default", []*model.IstioEndpoint{
		endpoint("1.1.1.6"), endpoint("1.1.1.7"), endpoint("1.1.1.6"),
	}, false)
	assert.Equal(t, changedNames(fifth, generated(next, fifth)), nil)

	// The last endpoint leaves: the upstream stays, empty.
	s.Env().EndpointIndex.DeleteServiceShard(shard, "a.example", "default", true)
	sixth := generated(next, fifth)
	assert.Equal(t, changedNames(fifth, sixth), []string{"upstreams/outbound_80__a.example"})
}

func changedNames(before, after *translate.Output) []string {
	old := map[string]*translate.Resource{}
	for _, r := range before.Resources {
		old[r.Name()] = r
	}
	var out []string
	for _, r := range after.Resources {
		if old[r.Name()] != r {
			out = append(out, r.Name())
		}
	}
	return out
}
