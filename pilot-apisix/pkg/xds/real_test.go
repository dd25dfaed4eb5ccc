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
	"strings"
	"testing"

	"istio.io/istio/pilot/pkg/model"
	xdstest "istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/config/schema/gvk"
	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/generate"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// newRealMesh is a mesh whose source is the one that istiod has.
func newRealMesh(t *testing.T, configs string) *mesh {
	m := &mesh{t: t, FakeDiscoveryServer: xdstest.NewFakeDiscoveryServer(t, xdstest.FakeOptions{ConfigString: configs})}
	m.Discovery.RequestRateLimit.SetLimit(0)
	var err error
	m.generator, err = Register(m.Discovery, generate.NewSource(m.Discovery.Env.EndpointIndex))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// full is what a proxy in the default namespace must have, computed anew.
func (m *mesh) full() map[string]string {
	m.t.Helper()
	m.EnsureSynced(m.t)
	proxy := m.SetupProxy(&model.Proxy{
		Type: model.SidecarProxy, ID: "app.default", ConfigNamespace: "default", DNSDomain: "default.svc.cluster.local",
		Metadata: &model.NodeMetadata{Namespace: "default"},
	})
	out, err := generate.NewSource(m.Discovery.Env.EndpointIndex).Generate(proxy, &model.PushRequest{Push: m.PushContext()}, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	return versionsOf(out)
}

// settle takes responses until the client has what m computes anew, and done says that this is after the change; it gives
// the names that were sent on the way.
func (s *stream) settle(m *mesh, done func() bool) (sent []string) {
	s.t.Helper()
	for !done() || !maps.Equal(s.has, m.full()) {
		r := s.next()
		sent = append(append(sent, r.names()...), r.removed...)
	}
	return sent
}

// changed tells whether the client has another version than now of a resource whose name contains part.
func (s *stream) changed(part string) func() bool {
	before := maps.Clone(s.has)
	return func() bool {
		for name, version := range s.has {
			if strings.Contains(name, part) && version != before[name] {
				return true
			}
		}
		return false
	}
}

// gone tells whether the client has no resource whose name contains part.
func (s *stream) gone(part string) func() bool {
	return func() bool {
		for name := range s.has {
			if strings.Contains(name, part) {
				return false
			}
		}
		return true
	}
}

func TestRealSource(t *testing.T) {
	m := newRealMesh(t, services(5))
	s := m.proxy("app.default")
	r := s.subscribe()
	assert.Equal(t, s.has, m.full())
	last := -1
	kinds := map[apisix.Kind]bool{}
	for _, name := range r.names() {
		kind, _, ok := apisix.SplitName(name)
		assert.Equal(t, ok, true)
		order, _ := kind.Order()
		if order < last {
			t.Errorf("%s comes after what may refer to it", name)
		}
		last = order
		kinds[kind] = true
	}
	if !kinds[apisix.Routes] || !kinds[apisix.Upstreams] {
		t.Fatalf("want routes and upstreams, got %v", r.names())
	}

	t.Run("an endpoint is one upstream", func(t *testing.T) {
		done := s.changed("s3.test")
		m.setEndpoints(3, "10.1.0.1")
		sent := s.settle(m, done)
		assert.Equal(t, len(sent), 1)
		assert.Equal(t, strings.HasPrefix(sent[0], "upstreams/"), true)
	})
	t.Run("a rule of one host leaves the others alone", func(t *testing.T) {
		done := s.changed("s1.test")
		m.apply(strings.Replace(virtualService("default", 1, "v1"), "http: [{", "http: [{timeout: 5s, ", 1))
		sent := s.settle(m, done)
		for _, name := range sent {
			assert.Equal(t, strings.Contains(name, "s1.test"), true, name)
		}
	})
	t.Run("what does not matter", func(t *testing.T) {
		m.Discovery.ConfigUpdate(&model.PushRequest{Forced: true})
		m.EnsureSynced(t)
		done := s.changed("s3.test")
		m.setEndpoints(3)
		assert.Equal(t, len(s.settle(m, done)), 1)
	})
	t.Run("removal", func(t *testing.T) {
		m.remove(gvk.VirtualService, "s4")
		m.remove(gvk.ServiceEntry, "s4")
		s.settle(m, s.gone("s4.test"))
	})
	t.Run("reconnect", func(t *testing.T) {
		s = m.reconnect(s, "app.default")
		r := s.subscribe()
		assert.Equal(t, len(r.changed)+len(r.removed), 0)
	})
	t.Run("gateway", func(t *testing.T) {
		// One without a Gateway learns that it has no ports.
		r := m.connect(model.Router, "gateway.default").subscribe()
		assert.Equal(t, r.names(), []string{"plugin_metadata/mesh-listeners", "routes/not-found"})
	})
	t.Run("many changes at once", func(t *testing.T) {
		for i := range 20 {
			m.setEndpoints(i%4, fmt.Sprintf("10.2.0.%d", i))
			if i%5 == 0 {
				m.apply(virtualService("default", i%4, fmt.Sprint("v", i)))
			}
		}
		m.remove(gvk.VirtualService, "s3")
		m.remove(gvk.ServiceEntry, "s3")
		s.settle(m, s.gone("s3.test"))
	})
}
