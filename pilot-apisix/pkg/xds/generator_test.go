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
	"sync"
	"testing"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/config/schema/kind"
	"istio.io/istio/pkg/test/util/assert"
	"istio.io/istio/pkg/util/sets"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/translate"
	"github.com/apisix-mesh/pilot-apisix/pkg/apis/mesh/v1alpha1"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// fixture is a generator over a source that returns out.
type fixture struct {
	*Generator
	istiod *istiodStandIn
	source *sourceStandIn

	mu  sync.Mutex
	out *translate.Output
	err error
	// broken makes the source panic.
	broken bool
}

func newFixture(nameAndValue ...string) *fixture {
	f := &fixture{istiod: newIstiodStandIn(), out: output(nameAndValue...)}
	f.source = &sourceStandIn{generate: func(*model.Proxy, *model.PushRequest) (*translate.Output, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.broken {
			panic("the source is broken")
		}
		if f.out == nil || f.err != nil {
			return nil, f.err
		}
		return &translate.Output{Resources: append([]*translate.Resource{}, f.out.Resources...), Diagnostics: f.out.Diagnostics}, nil
	}}
	f.Generator = newGenerator(f.source, f.istiod.global.Load)
	return f
}

func (f *fixture) set(nameAndValue ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.out = output(nameAndValue...)
}

func (f *fixture) fail(err error, broken bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.broken = err, broken
}

// request is what a client's request becomes now.
func (f *fixture) request(versions map[string]string, names ...string) *model.PushRequest {
	return requestOf(f.istiod.global.Load(), versions, names...)
}

func TestDeltaLife(t *testing.T) {
	f := newFixture("upstreams/a", "1", "routes/a", "1", "routes/b", "1")
	c := newClient(t, f.Generator, "default")

	r := c.deltas(f.request(nil))
	assert.Equal(t, r.names(), []string{"upstreams/a", "routes/a", "routes/b"})
	assert.Equal(t, len(r.removed), 0)
	assert.Equal(t, decode(t, r.changed[0]).Kind, "upstreams")
	assert.Equal(t, string(decode(t, r.changed[0]).Json), `{"id":"a","value":"1"}`)

	assert.Equal(t, c.deltas(f.istiod.push(kind.VirtualService)), nil)

	f.set("upstreams/a", "1", "routes/a", "2", "routes/b", "1")
	r = c.deltas(f.istiod.push(kind.VirtualService))
	assert.Equal(t, r.names(), []string{"routes/a"})
	assert.Equal(t, len(r.removed), 0)

	f.set("upstreams/b", "1")
	r = c.deltas(f.istiod.push(kind.ServiceEntry))
	assert.Equal(t, r.names(), []string{"upstreams/b"})
	assert.Equal(t, r.removed, []string{"routes/a", "routes/b", "upstreams/a"})

	f.set()
	r = c.deltas(f.istiod.push(kind.Endpoints))
	assert.Equal(t, r.names(), []string{})
	assert.Equal(t, r.removed, []string{"upstreams/b"})
	assert.Equal(t, c.has, map[string]string{})
}

func TestReconnect(t *testing.T) {
	f := newFixture("upstreams/a", "1", "routes/a", "1", "routes/b", "1")
	current := versionsOf(f.out)
	with := func(changes ...string) map[string]string {
		held := map[string]string{}
		for name, version := range current {
			held[name] = version
		}
		for i := 0; i < len(changes); i += 2 {
			if changes[i+1] == "" {
				delete(held, changes[i])
			} else {
				held[changes[i]] = changes[i+1]
			}
		}
		return held
	}
	for _, tt := range []struct {
		name    string
		held    map[string]string
		changed []string
		removed []string
	}{
		{"holds nothing", nil, []string{"upstreams/a", "routes/a", "routes/b"}, nil},
		{"in sync", current, []string{}, nil},
		{"one stale", with("routes/a", "old"), []string{"routes/a"}, nil},
		{"one missing", with("upstreams/a", ""), []string{"upstreams/a"}, nil},
		{"some gone meanwhile", with("routes/z", "1", "routes/c", "1"), []string{}, []string{"routes/c", "routes/z"}},
		{"names that never were", with("", "1", "nonsense", "1", "gateways/a", "1"), []string{}, []string{"", "gateways/a", "nonsense"}},
		{
			"all at once", with("routes/a", "old", "routes/b", "", "upstreams/x", "1"),
			[]string{"routes/a", "routes/b"},
			[]string{"upstreams/x"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, f.Generator, "default")
			for name, version := range tt.held {
				c.has[name] = version
			}
			r := c.deltas(f.request(tt.held))
			if r == nil || r.changed == nil {
				t.Fatal("the first request must be answered, also with nothing")
			}
			assert.Equal(t, r.names(), tt.changed)
			assert.Equal(t, r.removed, tt.removed)
			assert.Equal(t, c.has, current)
			// The versions are those of the first response only.
			assert.Equal(t, c.deltas(f.istiod.push(kind.VirtualService)), nil)
		})
	}
}

func TestAskingByNameBesideTheWildcard(t *testing.T) {
	f := newFixture("upstreams/a", "1", "routes/a", "1", "routes/b", "1")
	c := newClient(t, f.Generator, "default")
	c.deltas(f.request(nil))

	r := c.deltas(f.request(nil, "routes/a"))
	assert.Equal(t, r.names(), []string{"routes/a"})
	assert.Equal(t, len(r.removed), 0)

	f.set("upstreams/a", "2", "routes/a", "1")
	f.istiod.newContext()
	r = c.deltas(f.request(nil, "routes/a", "routes/none"))
	assert.Equal(t, r.names(), []string{"upstreams/a", "routes/a"})
	assert.Equal(t, r.removed, []string{"routes/b", "routes/none"})
	assert.Equal(t, c.has, versionsOf(f.out))

	t.Run("in the first request, with versions", func(t *testing.T) {
		c := newClient(t, f.Generator, "default")
		c.has = versionsOf(f.out)
		r := c.deltas(f.request(versionsOf(f.out), "routes/none"))
		assert.Equal(t, r.names(), []string{})
		assert.Equal(t, r.removed, []string{"routes/none"})
	})
}

// TestSecrets holds that a Secret concerns only gateways with a server that names it, or the one with its CA.
func TestSecrets(t *testing.T) {
	server := func(tls *networking.ServerTLSSettings) *model.MergedGateway {
		return &model.MergedGateway{GatewayNameForServer: map[*networking.Server]string{{Tls: tls}: "default/gateway"}}
	}
	for name, tt := range map[string]struct {
		kind    model.NodeType
		gateway *model.MergedGateway
		secret  string
		want    bool
	}{
		"of a sidecar":      {model.SidecarProxy, nil, "a", false},
		"of no server":      {model.Router, nil, "a", false},
		"of plain text":     {model.Router, server(nil), "a", false},
		"named":             {model.Router, server(&networking.ServerTLSSettings{CredentialName: "a"}), "a", true},
		"named with others": {model.Router, server(&networking.ServerTLSSettings{CredentialNames: []string{"b", "a"}}), "a", true},
		"with the CA":       {model.Router, server(&networking.ServerTLSSettings{CredentialName: "a"}), "a-cacert", true},
		"another":           {model.Router, server(&networking.ServerTLSSettings{CredentialName: "b"}), "a", false},
		"of another namespace": {
			model.Router, server(&networking.ServerTLSSettings{CredentialName: "kubernetes-gateway://other/a"}), "a", false,
		},
		"of the Gateway API": {
			model.Router, server(&networking.ServerTLSSettings{CredentialName: "kubernetes-gateway://default/a"}), "a", true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			proxy := &model.Proxy{Type: tt.kind, ConfigNamespace: "default", MergedGateway: tt.gateway}
			req := &model.PushRequest{ConfigsUpdated: sets.New(model.ConfigKey{Kind: kind.Secret, Name: tt.secret, Namespace: "default"})}
			assert.Equal(t, concerns(proxy, req), tt.want)
		})
	}
}

func TestStateOfTheWorld(t *testing.T) {
	f := newFixture("upstreams/a", "1", "routes/a", "1")
	c := newClient(t, f.Generator, "default")
	assert.Equal(t, c.sotw(f.request(nil)).names(), []string{"upstreams/a", "routes/a"})
	assert.Equal(t, c.sotw(f.istiod.push(kind.VirtualService)), nil)

	f.set("upstreams/a", "2", "routes/a", "1")
	assert.Equal(t, c.sotw(f.istiod.push(kind.Endpoints)).names(), []string{"upstreams/a", "routes/a"})
	assert.Equal(t, c.has, versionsOf(f.out))
	// A client may ask again on the same stream.
	assert.Equal(t, c.sotw(f.request(nil)).names(), []string{"upstreams/a", "routes/a"})

	f.set()
	r := c.sotw(f.istiod.push(kind.ServiceEntry))
	if r == nil || r.changed == nil || len(r.changed) > 0 {
		t.Fatalf("want an empty set, got %v", r)
	}
	t.Run("explicit wildcard", func(t *testing.T) {
		c.reconnect()
		c.proxy.WatchedResources[v1alpha1.TypeURL] = &model.WatchedResource{ResourceNames: sets.New("*")}
		if c.sotw(f.request(nil)) == nil {
			t.Fatal("want an answer")
		}
	})
}

// TestSourceIsNotToldWhatChanged holds the generator to the contract of Source: a view is for the whole group.
// TestOldContextNewEndpoints is the trap that pushes of endpoints lay: they leave Proxy.LastPushContext alone.
func TestSourcesAreNoChange(t *testing.T) {
	f := newFixture("routes/a", "1")
	c := newClient(t, f.Generator, "default")
	c.deltas(f.request(nil))

	f.set("routes/a", "1")
	moved := []ir.Source{{Kind: "VirtualService", Name: "reviews", Field: "spec.http[1]"}}
	f.out.Resources[0].Sources = moved
	assert.Equal(t, c.deltas(f.istiod.push(kind.VirtualService)), nil)
	// What is shown is what is true now, and a new client is told so.
	assert.Equal(t, f.connections.find(c.proxy).sent.resources[0].Sources, moved)
	late := newClient(t, f.Generator, "default")
	r := late.deltas(f.request(nil))
	assert.Equal(t, decode(t, r.changed[0]).Sources[0].Field, "spec.http[1]")
	assert.Equal(t, late.has, c.has)
}

// TestMemoryIsBounded checks that only what some connection needs is held.
