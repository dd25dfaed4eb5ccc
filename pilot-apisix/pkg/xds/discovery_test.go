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
	"maps"
	"math/rand/v2"
	"sync"
	"testing"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"istio.io/istio/pilot/pkg/model"
	v3 "istio.io/istio/pilot/pkg/xds/v3"
	"istio.io/istio/pkg/config/schema/gvk"
	"istio.io/istio/pkg/config/schema/kind"
	"istio.io/istio/pkg/test/util/assert"
	"istio.io/istio/pkg/util/sets"

	"github.com/apisix-mesh/pilot-apisix/pkg/apis/mesh/v1alpha1"
)

var (
	upstream0, upstream1 = "upstreams/s0.test", "upstreams/s1.test"
	route0, route1       = "routes/default_s0", "routes/default_s1"
)

func TestServerSendsWhatChanged(t *testing.T) {
	m := newMesh(t, services(2))
	s := m.proxy("app.default")
	r := s.subscribe()
	assert.Equal(t, r.names(), []string{upstream0, upstream1, route0, route1})
	assert.Equal(t, s.values, m.want())

	t.Run("configuration", func(t *testing.T) {
		m.apply(virtualService("default", 1, "v2"))
		assert.Equal(t, s.until(route1, "v2"), []string{route1})
	})
	t.Run("endpoints only", func(t *testing.T) {
		before := m.source.generated.Load()
		m.setEndpoints(0, "10.1.0.1", "10.1.0.2")
		assert.Equal(t, s.until(upstream0, "10.0.0.0 10.1.0.1 10.1.0.2"), []string{upstream0})
		m.setEndpoints(0, "10.1.0.2")
		assert.Equal(t, s.until(upstream0, "10.0.0.0 10.1.0.2"), []string{upstream0})
		if m.source.generated.Load() == before {
			t.Error("pushes of endpoints must reach the source")
		}
	})
	t.Run("removal", func(t *testing.T) {
		m.remove(gvk.VirtualService, "s0")
		r := s.next()
		assert.Equal(t, r.names(), []string{})
		assert.Equal(t, r.removed, []string{route0})
	})
	t.Run("what does not concern proxies", func(t *testing.T) {
		for _, k := range []kind.Kind{kind.WasmPlugin, kind.Telemetry, kind.Secret, kind.ProxyConfig} {
			m.Discovery.ConfigUpdate(&model.PushRequest{
				ConfigsUpdated: sets.New(model.ConfigKey{Kind: k, Name: "x", Namespace: "default"}),
				Reason:         model.NewReasonStats(model.TagUpdate),
			})
			m.EnsureSynced(t)
		}
		m.apply(virtualService("default", 1, "v3"))
		assert.Equal(t, s.until(route1, "v3"), []string{route1})
		m.source.mu.Lock()
		defer m.source.mu.Unlock()
		for _, req := range m.source.requests {
			if len(req.Reason) == 1 && req.Reason.Has(model.TagUpdate) {
				t.Error("the source was asked")
			}
		}
	})
	t.Run("a forced push of nothing new", func(t *testing.T) {
		m.Discovery.ConfigUpdate(&model.PushRequest{Forced: true})
		m.EnsureSynced(t)
		m.apply(virtualService("default", 1, "v4"))
		assert.Equal(t, s.until(route1, "v4"), []string{route1})
	})
	assert.Equal(t, s.values, m.want())
}

func TestServerReconnect(t *testing.T) {
	m := newMesh(t, services(2))
	s := m.proxy("app.default")
	s.subscribe()

	s = m.reconnect(s, "app.default")
	r := s.subscribe()
	assert.Equal(t, len(r.changed)+len(r.removed), 0)

	s.close()
	m.apply(virtualService("default", 0, "v2"))
	m.remove(gvk.VirtualService, "s1")
	m.await(route0, "v2")
	m.await(route1, "")
	s = m.reconnect(s, "app.default")
	s.has["upstreams/unknown"] = "x"
	r = s.subscribe()
	assert.Equal(t, r.names(), []string{route0})
	assert.Equal(t, r.removed, []string{route1, "upstreams/unknown"})
	assert.Equal(t, s.values, m.want())

	t.Run("explicit wildcard", func(t *testing.T) {
		s = m.reconnect(s, "app.default")
		s.request(&discovery.DeltaDiscoveryRequest{ResourceNamesSubscribe: []string{"*"}, InitialResourceVersions: maps.Clone(s.has)})
		r := s.next()
		assert.Equal(t, len(r.changed)+len(r.removed), 0)
	})
	t.Run("another istiod", func(t *testing.T) {
		other := newMesh(t, services(2))
		other.apply(virtualService("default", 0, "v2"))
		other.await(route0, "v2")
		s = other.reconnect(s, "app.default")
		r := s.subscribe()
		assert.Equal(t, r.names(), []string{route1})
		other.apply(virtualService("default", 1, "v2"))
		assert.Equal(t, s.until(route1, "v2"), []string{route1})
	})
}

func TestServerSubscriptionAfterEndpointsChanged(t *testing.T) {
	m := newMesh(t, services(2))
	early, late := m.proxy("early.default"), m.proxy("late.default")
	early.subscribe()
	// The stream is there, with a type of Envoy's.
	late.request(&discovery.DeltaDiscoveryRequest{TypeUrl: v3.ClusterType})
	assert.Equal(t, late.anyResponse().TypeUrl, v3.ClusterType)
	m.setEndpoints(0, "10.1.0.1")
	early.until(upstream0, "10.0.0.0 10.1.0.1")
	late.subscribe()
	assert.Equal(t, late.values, m.want())
}

func TestServerRefusesNames(t *testing.T) {
	m := newMesh(t, services(1))
	s := m.proxy("app.default")
	s.request(&discovery.DeltaDiscoveryRequest{ResourceNamesSubscribe: []string{route0}})
	err := <-s.ended
	assert.Equal(t, status.Code(err), codes.InvalidArgument)
	assert.Equal(t, status.Convert(err).Message(), v1alpha1.TypeURL+" can only be subscribed to as a whole: name no resources, or *")
}

func TestServerAnswersForOneName(t *testing.T) {
	m := newMesh(t, services(1))
	s := m.proxy("app.default")
	s.subscribe()
	delete(s.has, route0)
	s.request(&discovery.DeltaDiscoveryRequest{ResourceNamesSubscribe: []string{route0, "routes/none"}})
	r := s.next()
	assert.Equal(t, r.names(), []string{route0})
	assert.Equal(t, r.removed, []string{"routes/none"})
	m.setEndpoints(0, "10.1.0.1")
	assert.Equal(t, s.until(upstream0, "10.0.0.0 10.1.0.1"), []string{upstream0})
}

func TestServerGateway(t *testing.T) {
	m := newMesh(t, services(1))
	s := m.connect(model.Router, "gateway.default")
	s.subscribe()
	assert.Equal(t, s.has[upstream0] != "", true)
	m.setEndpoints(0, "10.1.0.1")
	assert.Equal(t, s.until(upstream0, "10.0.0.0 10.1.0.1"), []string{upstream0})
}

// TestServerKeepsNoNames looks at what Istio keeps of our type after a push.
// proxyStatus is what `istioctl proxy-status` prints of our type: it asks istiod with the type istio.io/debug/syncz.
func TestServerGroups(t *testing.T) {
	m := newMesh(t, services(2)+virtualService("other", 0, "other"))
	a, b := m.proxy("app.default"), m.proxy("app.other")
	a.subscribe()
	b.subscribe()
	m.apply(`
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: other}
spec:
  egress: [{hosts: ["other/*"]}]
`)
	// The service that its own VirtualService sends to stays in its scope.
	r := b.next()
	assert.Equal(t, r.removed, []string{route0, route1, upstream1})
	m.setEndpoints(1, "10.1.1.1")
	assert.Equal(t, a.until(upstream1, "10.0.0.1 10.1.1.1"), []string{upstream1})
	m.setEndpoints(0, "10.1.0.1")
	assert.Equal(t, a.until(upstream0, "10.0.0.0 10.1.0.1"), []string{upstream0})
	assert.Equal(t, b.until(upstream0, "10.0.0.0 10.1.0.1"), []string{upstream0})
	assert.Equal(t, b.values, map[string]string{"routes/other_s0": "other", upstream0: "10.0.0.0 10.1.0.1"})
	assert.Equal(t, m.generator.groups.size(), 2)
}

func TestServerComputesOncePerPush(t *testing.T) {
	m := newMesh(t, services(5))
	m.quiesce()
	streams := make([]*stream, 100)
	for i := range streams {
		streams[i] = m.proxy(fmt.Sprintf("app-%d.default", i))
	}
	m.each(streams, func(s *stream) { s.subscribe() })
	assert.Equal(t, m.source.generated.Load(), int64(1))
	for i := range 5 {
		address := fmt.Sprintf("10.1.0.%d", i)
		m.setEndpoints(0, address)
		m.each(streams, func(s *stream) { s.until(upstream0, "10.0.0.0 "+address) })
		assert.Equal(t, m.source.generated.Load(), int64(i+2))
	}
	for _, s := range streams {
		assert.Equal(t, s.received, 10+5)
	}
}

// each runs step for all streams at once.
func (m *mesh) each(streams []*stream, step func(s *stream)) {
	var wg sync.WaitGroup
	for _, s := range streams {
		wg.Go(func() { step(s) })
	}
	wg.Wait()
}

// TestServerMergesPushes holds up one proxy while the mesh changes.
func TestServerMergesPushes(t *testing.T) {
	m := newMesh(t, services(3))
	s, quick := m.proxy("app.slow"), m.proxy("app.default")
	s.subscribe()
	quick.subscribe()
	entered, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	m.hold.Store(new(func(proxy *model.Proxy) {
		if proxy.ConfigNamespace == "slow" {
			once.Do(func() { close(entered); <-release })
		}
	}))
	m.setEndpoints(0, "10.1.0.1")
	<-entered
	m.apply(virtualService("default", 1, "v2"))
	quick.until(route1, "v2")
	m.setEndpoints(0, "10.1.0.2")
	quick.until(upstream0, "10.0.0.0 10.1.0.2")
	m.remove(gvk.VirtualService, "s2")
	quick.next()
	m.apply(virtualService("default", 1, "v3"))
	quick.until(route1, "v3")
	close(release)
	for !maps.Equal(s.values, m.want()) {
		s.next()
	}
	// At most what was computed before the rest came, and the rest at once.
	if s.received > 6+3 {
		t.Errorf("%d resources were sent", s.received)
	}
}

func TestServerStateOfTheWorld(t *testing.T) {
	m := newMesh(t, services(2))
	ads := m.ConnectADS().WithType(v1alpha1.TypeURL).WithTimeout(patience)
	resp := ads.RequestResponseAck(t, nil)
	assert.Equal(t, len(resp.Resources), 4)
	m.apply(virtualService("default", 0, "v2"))
	resp = ads.ExpectResponse(t)
	assert.Equal(t, len(resp.Resources), 4)
	ads.Request(t, &discovery.DiscoveryRequest{ResponseNonce: resp.Nonce, VersionInfo: resp.VersionInfo})
	m.Discovery.ConfigUpdate(&model.PushRequest{Forced: true})
	ads.ExpectNoResponse(t)
	m.setEndpoints(0, "10.1.0.1")
	resp = ads.ExpectResponse(t)
	got := &v1alpha1.Resource{}
	assert.NoError(t, resp.Resources[0].UnmarshalTo(got))
	assert.Equal(t, value(string(got.Json)), "10.0.0.0 10.1.0.1")
}

// TestServerRandomChanges plays random changes and reconnects, and checks that clients end with what a full computation
// gives, and are never sent what they have.
func TestServerRandomChanges(t *testing.T) {
	const count, steps = 5, 60
	rnd := rand.New(rand.NewPCG(7, 7))
	m := newMesh(t, services(count))
	streams := []*stream{m.proxy("a.default"), m.proxy("b.default"), m.proxy("c.default")}
	for _, s := range streams {
		s.subscribe()
	}
	exists := map[int]bool{}
	for i := range count {
		exists[i] = true
	}
	for step := range steps {
		i := rnd.IntN(count)
		switch rnd.IntN(4) {
		case 0:
			m.apply(virtualService("default", i, fmt.Sprint("v", step)))
			exists[i] = true
		case 1:
			if exists[i] {
				m.remove(gvk.VirtualService, fmt.Sprint("s", i))
				delete(exists, i)
			}
		default:
			m.setEndpoints(i, fmt.Sprintf("10.1.%d.%d", i, step))
		}
		if rnd.IntN(6) == 0 {
			which := rnd.IntN(len(streams))
			streams[which] = m.reconnect(streams[which], "again.default")
			streams[which].subscribe()
		}
		if rnd.IntN(4) > 0 {
			continue
		}
		// Events arrive in the order of the changes, so whoever has this one has all.
		m.apply(virtualService("default", count, fmt.Sprint("v", step)))
		m.each(streams, func(s *stream) { s.until(fmt.Sprint("routes/default_s", count), fmt.Sprint("v", step)) })
		for _, s := range streams {
			assert.Equal(t, s.values, m.want())
		}
	}
}
