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
	"sync"
	"testing"

	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/config/schema/kind"
	"istio.io/istio/pkg/monitoring/monitortest"
	"istio.io/istio/pkg/test/util/assert"
	"istio.io/istio/pkg/test/util/retry"
	"istio.io/istio/pkg/util/sets"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/translate"
	"github.com/apisix-mesh/pilot-apisix/pkg/apis/mesh/v1alpha1"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

func TestOneComputationPerRound(t *testing.T) {
	f := newFixture("upstreams/a", "1", "routes/a", "1")
	mt := monitortest.New(t)
	clients := make([]*client, 100)
	for i := range clients {
		clients[i] = newClient(t, f.Generator, "default")
	}
	all := func(step func(c *client)) {
		var wg sync.WaitGroup
		for _, c := range clients {
			wg.Go(func() { step(c) })
		}
		wg.Wait()
	}
	request := f.request(nil)
	all(func(c *client) { c.deltas(request) })
	assert.Equal(t, f.source.generated.Load(), int64(1))

	for i := range 5 {
		f.set("upstreams/a", fmt.Sprint(i+2), "routes/a", "1")
		push := f.istiod.push(kind.Endpoints)
		all(func(c *client) {
			if r := c.deltas(push); r == nil || len(r.changed) != 1 || r.changed[0].Name != "upstreams/a" {
				t.Errorf("want one upstream, got %v", r)
			}
		})
		assert.Equal(t, f.source.generated.Load(), int64(i+2))
	}
	first := f.connections.find(clients[0].proxy)
	for _, c := range clients {
		if f.connections.find(c.proxy).sent != first.sent {
			t.Error("connections of one group must share one view")
		}
	}
	mt.Assert("pilot_apisix_view_requests_total", map[string]string{"result": "miss"}, monitortest.Exactly(6))
	mt.Assert("pilot_apisix_view_requests_total", map[string]string{"result": "hit"}, monitortest.Exactly(594))
	mt.Assert("pilot_apisix_resources_sent_total", nil, monitortest.Exactly(700))
	mt.Assert("pilot_apisix_generation_seconds", nil, monitortest.Buckets(10))
	runtime.KeepAlive(clients)
}

func TestGroupsAreSeparate(t *testing.T) {
	f := newFixture()
	f.source.generate = func(proxy *model.Proxy, _ *model.PushRequest) (*translate.Output, error) {
		return output("upstreams/shared", "1", "routes/"+proxy.ConfigNamespace, "1"), nil
	}
	a, b := newClient(t, f.Generator, "a"), newClient(t, f.Generator, "b")
	ra, rb := a.deltas(f.request(nil)), b.deltas(f.request(nil))
	assert.Equal(t, ra.names(), []string{"upstreams/shared", "routes/a"})
	assert.Equal(t, rb.names(), []string{"upstreams/shared", "routes/b"})
	if ra.changed[0] != rb.changed[0] {
		t.Error("equal resources of two groups must be one object")
	}
	t.Run("a proxy moves", func(t *testing.T) {
		// Its labels changed, for example.
		a.proxy.ConfigNamespace = "b"
		r := a.deltas(f.istiod.push(kind.ServiceEntry))
		assert.Equal(t, r.names(), []string{"routes/b"})
		assert.Equal(t, r.removed, []string{"routes/a"})
	})
}

func TestSourceIsNotToldWhatChanged(t *testing.T) {
	f := newFixture("routes/a", "1")
	c := newClient(t, f.Generator, "default")
	c.deltas(f.request(nil))
	push := f.istiod.push(kind.Endpoints)
	c.deltas(push)
	for _, req := range f.source.requests {
		if req.ConfigsUpdated != nil || !req.Delta.IsEmpty() || !req.Forced {
			t.Errorf("the source was told %+v", req)
		}
	}
	if last := f.source.requests[len(f.source.requests)-1]; last.Push != push.Push || last.Start != push.Start {
		t.Error("the source must get the push context and the start of the push")
	}
}

func TestIrrelevantPushes(t *testing.T) {
	for _, tt := range []struct {
		name     string
		req      func(s *istiodStandIn) *model.PushRequest
		computed bool
	}{
		{"WasmPlugin", func(s *istiodStandIn) *model.PushRequest { return s.push(kind.WasmPlugin) }, false},
		{"TrafficExtension", func(s *istiodStandIn) *model.PushRequest { return s.push(kind.TrafficExtension) }, false},
		{"Telemetry", func(s *istiodStandIn) *model.PushRequest { return s.push(kind.Telemetry) }, false},
		{"Secret", func(s *istiodStandIn) *model.PushRequest { return s.push(kind.Secret) }, false},
		{"ProxyConfig", func(s *istiodStandIn) *model.PushRequest { return s.push(kind.ProxyConfig) }, false},
		{"WorkloadGroup", func(s *istiodStandIn) *model.PushRequest { return s.push(kind.WorkloadGroup) }, false},
		{"Address", func(s *istiodStandIn) *model.PushRequest { return s.push(kind.Address) }, false},
		{"DNSName", func(s *istiodStandIn) *model.PushRequest { return s.push(kind.DNSName) }, false},
		{"several", func(s *istiodStandIn) *model.PushRequest { return s.push(kind.Secret, kind.WasmPlugin) }, false},
		{"EnvoyFilter", func(s *istiodStandIn) *model.PushRequest { return s.push(kind.EnvoyFilter) }, true},
		{"Endpoints", func(s *istiodStandIn) *model.PushRequest { return s.push(kind.Endpoints) }, true},
		{"VirtualService", func(s *istiodStandIn) *model.PushRequest { return s.push(kind.VirtualService) }, true},
		{"AuthorizationPolicy", func(s *istiodStandIn) *model.PushRequest { return s.push(kind.AuthorizationPolicy) }, true},
		{"a kind of our own", func(s *istiodStandIn) *model.PushRequest { return s.push(kind.Kind(200)) }, true},
		{"merged", func(s *istiodStandIn) *model.PushRequest {
			return s.push(kind.Secret).CopyMerge(s.push(kind.Endpoints))
		}, true},
		{"nothing named", func(s *istiodStandIn) *model.PushRequest { return s.push() }, true},
		{"forced", func(s *istiodStandIn) *model.PushRequest {
			req := s.push(kind.Secret)
			req.Forced = true
			return req
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture("routes/a", "1")
			c := newClient(t, f.Generator, "default")
			c.deltas(f.request(nil))
			before := f.source.generated.Load()
			assert.Equal(t, c.deltas(tt.req(f.istiod)), nil)
			assert.Equal(t, f.source.generated.Load() > before, tt.computed)
		})
	}
}

func TestOldContextNewEndpoints(t *testing.T) {
	f := newFixture("upstreams/a", "1")
	early := newClient(t, f.Generator, "default")
	old := f.istiod.global.Load()
	early.deltas(requestOf(old, nil))

	f.set("upstreams/a", "2")
	early.deltas(f.istiod.push(kind.Endpoints))
	assert.Equal(t, early.has, versionsOf(f.out))

	// This proxy has been connected since before the push, but did not subscribe to the type then.
	late := newClient(t, f.Generator, "default")
	late.deltas(requestOf(old, nil))
	assert.Equal(t, late.has, versionsOf(f.out))
	runtime.KeepAlive(early)
}

func TestIstioKeepsNoNames(t *testing.T) {
	f := newFixture("routes/a", "1", "routes/b", "1")
	c := newClient(t, f.Generator, "default")
	c.deltas(f.request(nil))
	// As delta.go does after a response.
	watched := c.proxy.GetWatchedResource(v1alpha1.TypeURL)
	watched.ResourceNames = sets.New("routes/a", "routes/b")
	f.set("routes/a", "2", "routes/b", "1")
	c.deltas(f.istiod.push(kind.VirtualService))
	assert.Equal(t, len(watched.ResourceNames), 0)

	t.Run("of a reconnect", func(t *testing.T) {
		c.reconnect()
		w := &model.WatchedResource{TypeUrl: v1alpha1.TypeURL, ResourceNames: sets.New("routes/a", "routes/b")}
		_, _, _, _, err := f.GenerateDeltas(c.proxy, f.request(c.has), w)
		assert.NoError(t, err)
		assert.Equal(t, len(w.ResourceNames), 0)
	})
}

func TestDiagnosticsAreCounted(t *testing.T) {
	mt := monitortest.New(t)
	f := newFixture("routes/a", "1")
	f.out.Diagnostics = []ir.Diagnostic{{Code: "TestTimeout"}, {Code: "TestTimeout"}, {Code: "TestMirror"}}
	a, b := newClient(t, f.Generator, "a"), newClient(t, f.Generator, "b")
	a.deltas(f.request(nil))
	b.deltas(f.request(nil))
	mt.Assert("pilot_apisix_diagnostics", map[string]string{"code": "TestTimeout"}, monitortest.Exactly(4))
	mt.Assert("pilot_apisix_diagnostics", map[string]string{"code": "TestMirror"}, monitortest.Exactly(2))
	f.set("routes/a", "1")
	f.out.Diagnostics = []ir.Diagnostic{{Code: "TestTimeout"}}
	a.deltas(f.istiod.push(kind.VirtualService))
	mt.Assert("pilot_apisix_diagnostics", map[string]string{"code": "TestTimeout"}, monitortest.Exactly(3))
	mt.Assert("pilot_apisix_diagnostics", map[string]string{"code": "TestMirror"}, monitortest.Exactly(1))
	runtime.KeepAlive(a)
	runtime.KeepAlive(b)
}

func TestMemoryIsBounded(t *testing.T) {
	f := newFixture()
	var n int
	f.source.generate = func(*model.Proxy, *model.PushRequest) (*translate.Output, error) {
		n++
		out := &translate.Output{Diagnostics: []ir.Diagnostic{{Code: "TestLeak"}}}
		for i := range 10 {
			out.Resources = append(out.Resources, resource(fmt.Sprintf("routes/%d", i), fmt.Sprint(n)))
		}
		return out, nil
	}
	slow, quick := newClient(t, f.Generator, "a"), newClient(t, f.Generator, "a")
	slow.deltas(f.request(nil))
	quick.deltas(f.request(nil))
	for range 100 {
		quick.deltas(f.istiod.push(kind.VirtualService))
	}
	expect := func(connections, groups, views, resources int) {
		t.Helper()
		retry.UntilSuccessOrFail(t, func() error {
			runtime.GC()
			held, _ := f.pool.size()
			got := [...]int{f.connections.size(), f.groups.size(), int(f.views.Load()), held}
			if want := [...]int{connections, groups, views, resources}; got != want {
				return fmt.Errorf("connections, groups, views, resources: want %v, got %v: %w", want, got, errStillThere)
			}
			return nil
		})
	}
	// The slow one is at the first view, the quick one at the last.
	expect(2, 1, 2, 20)
	runtime.KeepAlive(slow)
	expect(1, 1, 1, 10)
	runtime.KeepAlive(quick)
	expect(0, 0, 0, 0)
	f.groups.diagnostics.mu.Lock()
	defer f.groups.diagnostics.mu.Unlock()
	assert.Equal(t, len(f.groups.diagnostics.n), 0)
}

func TestIdleGroupsHoldNoPushContext(t *testing.T) {
	f := newFixture("routes/a", "1")
	f.source.generate = func(*model.Proxy, *model.PushRequest) (*translate.Output, error) { return output("routes/a", "1"), nil }
	c := newClient(t, f.Generator, "default")
	freed := make(chan struct{})
	func() {
		push := f.istiod.push(kind.VirtualService)
		runtime.AddCleanup(push.Push, func(ch chan struct{}) { close(ch) }, freed)
		c.deltas(requestOf(push.Push, nil))
		f.source.requests = nil
	}()
	f.istiod.newContext()
	retry.UntilSuccessOrFail(t, func() error {
		runtime.GC()
		select {
		case <-freed:
			return nil
		default:
			return errStillThere
		}
	})
	runtime.KeepAlive(c)
}
