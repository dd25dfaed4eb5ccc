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

package differential

import (
	"math/rand/v2"

	"google.golang.org/protobuf/proto"

	meshconfig "istio.io/api/mesh/v1alpha1"
	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/mesh"
	"istio.io/istio/pkg/config/schema/collections"
	"istio.io/istio/pkg/config/schema/gvk"
)

// random makes configurations. The same seed makes the same one.
type random struct {
	*rand.Rand
	scenario *scenario
	// hosts are those of the services, under which they may be called.
	hosts []string
	// dynamic says that there is a service with the resolution DYNAMIC_DNS.
	dynamic bool
	// names counts the objects and rules.
	names int
}

var (
	namespaces = []string{"default", "ns1", "ns2"}
	rootNS     = "istio-system"
	versions   = []string{"v1", "v2"}
)

func pick[T any](r *random, list []T) T { return list[r.IntN(len(list))] }

// maybe is true in one of n cases.
func (r *random) maybe(n int) bool { return r.IntN(n) == 0 }

// times is a number from low to high.
func (r *random) times(low, high int) int { return low + r.IntN(high-low+1) }

// some picks a few of the list, without repetitions.
func some[T any](r *random, list []T, most int) []T {
	var out []T
	for _, i := range r.Perm(len(list))[:min(r.times(1, most), len(list))] {
		out = append(out, list[i])
	}
	return out
}

func newScenario(seed uint64) *scenario {
	r := &random{Rand: rand.New(rand.NewPCG(seed, 0))}
	r.scenario = &scenario{
		namespace: pick(r, namespaces),
		labels:    map[string]string{"app": pick(r, []string{"a", "b"}), "version": pick(r, versions)},
		versions:  versions,
		dns:       r.maybe(8),
		member:    r.maybe(2),
	}
	if r.maybe(4) {
		r.scenario.mesh = refusing()
	}
	if r.maybe(16) {
		if r.scenario.mesh == nil {
			r.scenario.mesh = mesh.DefaultMeshConfig()
		}
		if r.maybe(3) {
			r.scenario.mesh.OutboundTrafficPolicy = &meshconfig.MeshConfig_OutboundTrafficPolicy{
				Mode: meshconfig.MeshConfig_OutboundTrafficPolicy_ALLOW_ANY_DYNAMIC_DNS,
			}
		}
		r.scenario.mesh.DefaultHttpRetryPolicy = &networking.HTTPRetry{Attempts: int32(r.IntN(4))}
	}
	for range r.times(1, 4) {
		r.valid(r.serviceEntry)
	}
	if r.maybe(8) {
		r.valid(r.workloadEntry)
	}
	for range r.times(0, 2) {
		r.kubeService()
	}
	for range r.times(0, 2) {
		r.valid(r.destinationRule)
	}
	for range r.times(1, 4) {
		r.valid(r.virtualService)
	}
	if r.maybe(3) {
		r.valid(r.sidecar)
	}
	if r.maybe(6) {
		r.valid(r.peerAuthentication)
	}
	return r.scenario
}

// valid adds an object that make makes, as soon as one passes Istio's validation.
func (r *random) valid(make func() (config.GroupVersionKind, proto.Message)) {
	for range 50 {
		kind, spec := make()
		c := config.Config{
			Meta: config.Meta{GroupVersionKind: kind, Name: r.name(), Namespace: pick(r, namespaces), Domain: domain},
			Spec: spec,
		}
		switch {
		case kind == gvk.Sidecar && !r.maybe(3):
			c.Namespace = r.scenario.namespace
		case kind == gvk.Sidecar || r.maybe(12):
			c.Namespace = rootNS
		}
		if isValid(c) {
			r.add(c)
			return
		}
	}
}

func (r *random) add(c config.Config) {
	c.CreationTimestamp = born(r.IntN(20))
	r.scenario.objects = append(r.scenario.objects, object{config: &c})
}

func (r *random) name() string {
	r.names++
	return "o" + itoa(r.names)
}

func isValid(c config.Config) bool {
	schema, ok := collections.Pilot.FindByGroupVersionKind(c.GroupVersionKind)
	if !ok {
		return false
	}
	_, err := schema.ValidateConfig(c)
	return err == nil
}
