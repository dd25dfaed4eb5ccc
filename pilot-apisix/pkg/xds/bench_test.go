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

package xds

import (
	"fmt"
	"runtime"
	"testing"

	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/config/schema/kind"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/translate"
	"github.com/apisix-mesh/pilot-apisix/pkg/apis/mesh/v1alpha1"
)

// benchmarkMesh is a generator with proxies that all have size upstreams and routes. change makes one of them another.
type benchmarkMesh struct {
	generator *Generator
	istiod    *istiodStandIn
	proxies   []*model.Proxy
	resources []*translate.Resource
	changes   int
}

func newBenchmarkMesh(proxies, size int) *benchmarkMesh {
	m := &benchmarkMesh{istiod: newIstiodStandIn(), changes: 1}
	for i := range size {
		m.resources = append(m.resources, resource(fmt.Sprintf("upstreams/%06d", i), "1"))
	}
	for i := range size {
		m.resources = append(m.resources, resource(fmt.Sprintf("routes/%06d", i), "1"))
	}
	m.generator = newGenerator(m, m.istiod.global.Load)
	for range proxies {
		m.proxies = append(m.proxies, newProxy(model.SidecarProxy, "default"))
	}
	return m
}

func (m *benchmarkMesh) Key(proxy *model.Proxy, _ *model.PushContext) any {
	return proxy.ConfigNamespace
}

func (m *benchmarkMesh) Generate(*model.Proxy, *model.PushRequest, *translate.Output) (*translate.Output, error) {
	return &translate.Output{Resources: append([]*translate.Resource(nil), m.resources...)}, nil
}

func (m *benchmarkMesh) change() *model.PushRequest {
	m.changes++
	m.resources[0] = resource("upstreams/000000", fmt.Sprint(m.changes))
	return m.istiod.push(kind.Endpoints)
}

// all calls the generator for every proxy and returns the number of resources sent.
func (m *benchmarkMesh) all(b *testing.B, req *model.PushRequest) int {
	sent := 0
	for _, p := range m.proxies {
		res, _, _, _, err := m.generator.GenerateDeltas(p, req, p.GetWatchedResource(v1alpha1.TypeURL))
		if err != nil {
			b.Fatal(err)
		}
		sent += len(res)
	}
	return sent
}

// BenchmarkPush is one push to 1,000 connections with 2,000 resources each, of which one changed: computation, marshalling
// and all differences, without the network. Figures per connection are reported.
func BenchmarkPush(b *testing.B) {
	const connections, size = 1000, 1000
	for _, bm := range []struct {
		name   string
		change bool
	}{{"one changed", true}, {"nothing changed", false}} {
		b.Run(bm.name, func(b *testing.B) {
			m := newBenchmarkMesh(connections, size)
			m.all(b, requestOf(m.istiod.global.Load(), nil))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			want := 0
			for b.Loop() {
				req := m.istiod.push(kind.Endpoints)
				if bm.change {
					req, want = m.change(), connections
				}
				if sent := m.all(b, req); sent != want {
					b.Fatalf("%d resources were sent, want %d", sent, want)
				}
			}
			runtime.ReadMemStats(&after)
			pushes := float64(b.N) * connections
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/pushes, "allocs/connection")
			b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/pushes, "B/connection")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/pushes, "ns/connection")
		})
	}
}

// BenchmarkReconnect is the return of one client that holds all of 2,000 resources.
func BenchmarkReconnect(b *testing.B) {
	m := newBenchmarkMesh(1, 1000)
	res, _, _, _, err := m.generator.GenerateDeltas(m.proxies[0], requestOf(m.istiod.global.Load(), nil), &model.WatchedResource{})
	if err != nil {
		b.Fatal(err)
	}
	held := make(map[string]string, len(res))
	for _, r := range res {
		held[r.Name] = r.Version
	}
	req := requestOf(m.istiod.global.Load(), held)
	b.ReportAllocs()
	for b.Loop() {
		proxy := newProxy(model.SidecarProxy, "default")
		res, removed, _, _, err := m.generator.GenerateDeltas(proxy, req, &model.WatchedResource{})
		if err != nil || len(res)+len(removed) > 0 {
			b.Fatalf("want nothing, got %d resources, %v, %v", len(res), removed, err)
		}
	}
}

// BenchmarkFirstView is the computation of the first view of a group, when no other group has the same resources and
// when one has.
func BenchmarkFirstView(b *testing.B) {
	m := newBenchmarkMesh(0, 1000)
	out := &translate.Output{Resources: m.resources}
	b.Run("cold", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			newView(out, nil, newPool())
		}
	})
	b.Run("shared", func(b *testing.B) {
		p := newPool()
		first, _ := newView(out, nil, p)
		b.ReportAllocs()
		for b.Loop() {
			newView(&translate.Output{Resources: m.resources}, nil, p)
		}
		runtime.KeepAlive(first)
	})
}

func BenchmarkEncode(b *testing.B) {
	r := resource("upstreams/reviews.default.svc.cluster.local", string(make([]byte, 1000)))
	b.ReportAllocs()
	for b.Loop() {
		encode(r)
	}
}
