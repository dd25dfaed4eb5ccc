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
	"runtime"
	"strconv"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"

	"istio.io/istio/pilot/pkg/features"
	"istio.io/istio/pilot/pkg/model"
	v3 "istio.io/istio/pilot/pkg/xds/v3"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pilot/test/xdstest"
	"istio.io/istio/pkg/test"
	"istio.io/istio/pkg/test/util/assert"
	"istio.io/istio/pkg/util/sets"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/generate"
	apisixxds "github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/xds"
	"github.com/apisix-mesh/pilot-apisix/pkg/apis/mesh/v1alpha1"
)

// benchmarkCases are those of Istio's benchmarks for sidecars in which there is HTTP to route, and http at ten times its size.
var benchmarkCases = []benchmarkCase{
	{Name: "http", Services: 100},
	{Name: "http", Services: 1000},
	{Name: "virtualservice", Services: 100},
	{Name: "serviceentry-workloadentry", Services: 100, Instances: 1000},
	{Name: "auto", Services: 100},
	{Name: "externalname", Services: 100},
	{Name: "telemetry-api", Services: 100},
}

// BenchmarkGeneration makes the full configuration of one proxy: cold, without anything cached, and warm, in a push context
// for which it was made before.
func BenchmarkGeneration(b *testing.B) {
	quiet()
	for _, c := range benchmarkCases {
		b.Run(c.String(), func(b *testing.B) {
			b.Run("envoy/cold", func(b *testing.B) {
				test.SetForTest(b, &features.EnableXDSCaching, false)
				s, proxy := c.start(b)
				measure(b, c, "envoy", "cold", envoy(b, s, proxy))
			})
			b.Run("apisix/cold", func(b *testing.B) {
				s, proxy := c.start(b)
				measure(b, c, "apisix", "cold", func() (int, int) { return apisix(b, s, proxy)() })
			})
			b.Run("envoy/warm", func(b *testing.B) {
				s, proxy := c.start(b)
				measure(b, c, "envoy", "warm", envoy(b, s, proxy))
			})
			b.Run("apisix/warm", func(b *testing.B) {
				s, proxy := c.start(b)
				measure(b, c, "apisix", "warm", apisix(b, s, proxy))
			})
		})
	}
}

// envoy returns a function that makes all of Envoy's configuration and tells how many resources and bytes it is.
func envoy(b *testing.B, s *xds.FakeDiscoveryServer, proxy *model.Proxy) func() (int, int) {
	// The start must be later than the last invalidation, or the cache takes nothing.
	req := &model.PushRequest{Push: s.PushContext(), Forced: true, Start: time.Now()}
	listeners := s.ConfigGen.BuildListeners(proxy, s.PushContext())
	routes := sets.New(xdstest.ExtractRoutesFromListeners(listeners)...)
	endpoints := sets.String{}
	clusters, _, err := s.Discovery.Generators[v3.ClusterType].Generate(proxy, &model.WatchedResource{}, req)
	assert.NoError(b, err)
	for _, r := range clusters {
		c := &clusterv3.Cluster{}
		assert.NoError(b, r.Resource.UnmarshalTo(c))
		if c.GetType() == clusterv3.Cluster_EDS {
			endpoints.Insert(c.Name)
		}
	}
	watched := []*model.WatchedResource{
		{TypeUrl: v3.ClusterType},
		{TypeUrl: v3.EndpointType, ResourceNames: endpoints},
		{TypeUrl: v3.ListenerType},
		{TypeUrl: v3.RouteType, ResourceNames: routes},
	}
	return func() (n, size int) {
		for _, w := range watched {
			res, _, err := s.Discovery.Generators[w.TypeUrl].Generate(proxy, w, req)
			assert.NoError(b, err)
			n, size = n+len(res), size+bytesOf(res)
		}
		return n, size
	}
}

// apisix returns a function that makes all APISIX resources; the first call of each does so from nothing.
func apisix(b testing.TB, s *xds.FakeDiscoveryServer, proxy *model.Proxy) func() (int, int) {
	delete(s.Discovery.Generators, v1alpha1.TypeURL)
	g, err := apisixxds.Register(s.Discovery, generate.NewSource(s.Env().EndpointIndex))
	assert.NoError(b, err)
	req := &model.PushRequest{Push: s.PushContext(), Forced: true, Reason: model.NewReasonStats(model.ProxyRequest)}
	w := &model.WatchedResource{TypeUrl: v1alpha1.TypeURL, Wildcard: true}
	proxy.WatchedResources = map[string]*model.WatchedResource{v1alpha1.TypeURL: w}
	return func() (int, int) {
		res, _, err := g.Generate(proxy, w, req)
		assert.NoError(b, err)
		return len(res), bytesOf(res)
	}
}

func bytesOf(res model.Resources) int {
	n := 0
	for _, r := range res {
		n += len(r.GetResource().GetValue())
	}
	return n
}

// measure runs f for as long as the benchmark asks and notes the result for the table.
func measure(b *testing.B, c benchmarkCase, side, cache string, f func() (int, int)) {
	b.ReportAllocs()
	resources, size := f()
	if resources == 0 {
		b.Fatal("nothing was generated")
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	b.ResetTimer()
	n := 0
	for b.Loop() {
		f()
		n++
	}
	elapsed := b.Elapsed()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(size)/1000, "kB/config")
	b.ReportMetric(float64(resources), "resources")
	note(c.String(), side, cache, result{
		nanoseconds: float64(elapsed.Nanoseconds()) / float64(n),
		allocations: float64(after.Mallocs-before.Mallocs) / float64(n),
		heap:        float64(after.TotalAlloc-before.TotalAlloc) / float64(n),
		config:      float64(size),
	})
}

func (c benchmarkCase) String() string {
	name := c.Name + "/" + strconv.Itoa(c.Services)
	if c.Instances > 0 {
		name += "x" + strconv.Itoa(c.Instances)
	}
	return name
}
