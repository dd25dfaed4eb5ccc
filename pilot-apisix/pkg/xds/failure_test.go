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
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"istio.io/istio/pilot/pkg/model"
	istioxds "istio.io/istio/pilot/pkg/xds"
	"istio.io/istio/pkg/config/schema/kind"
	"istio.io/istio/pkg/monitoring/monitortest"
	"istio.io/istio/pkg/test/util/assert"
	"istio.io/istio/pkg/util/sets"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/translate"
	"github.com/apisix-mesh/pilot-apisix/pkg/apis/mesh/v1alpha1"
)

func TestRefusedSubscriptions(t *testing.T) {
	f := newFixture("routes/a", "1")
	for _, tt := range []struct {
		name    string
		node    model.NodeType
		watched *model.WatchedResource
		message string
	}{
		{
			"named resources", model.SidecarProxy, &model.WatchedResource{ResourceNames: sets.New("routes/a")},
			v1alpha1.TypeURL + " can only be subscribed to as a whole: name no resources, or *",
		},
		{
			"a waypoint", model.Waypoint, &model.WatchedResource{Wildcard: true},
			v1alpha1.TypeURL + " is for proxies of type sidecar and router; app.default is of type waypoint",
		},
		{
			"ztunnel", model.Ztunnel, &model.WatchedResource{Wildcard: true},
			v1alpha1.TypeURL + " is for proxies of type sidecar and router; app.default is of type ztunnel",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			proxy := newProxy(tt.node, "default")
			proxy.WatchedResources[v1alpha1.TypeURL] = tt.watched
			_, _, _, _, err := f.GenerateDeltas(proxy, f.request(nil, tt.watched.ResourceNames.UnsortedList()...), tt.watched)
			assert.Equal(t, status.Code(err), codes.InvalidArgument)
			assert.Equal(t, status.Convert(err).Message(), tt.message)
			_, _, err = f.Generate(proxy, tt.watched, f.request(nil))
			assert.Equal(t, status.Convert(err).Message(), tt.message)
		})
	}
	assert.Equal(t, f.source.generated.Load(), int64(0))
}

func TestFailuresLeaveTheProxyAsItIs(t *testing.T) {
	for _, tt := range []struct {
		name   string
		metric string
		fail   func(f *fixture)
		heal   func(f *fixture)
	}{
		{
			"panic", "pilot_apisix_generator_panics_total",
			func(f *fixture) { f.fail(nil, true) },
			func(f *fixture) { f.fail(nil, false) },
		},
		{
			"error", "pilot_apisix_generation_errors_total",
			func(f *fixture) { f.fail(errors.New("no way"), false) },
			func(f *fixture) { f.fail(nil, false) },
		},
		{
			"no output", "pilot_apisix_generation_errors_total",
			func(f *fixture) { f.mu.Lock(); f.out = nil; f.mu.Unlock() },
			func(*fixture) {},
		},
		{
			"panic in Key", "pilot_apisix_generator_panics_total",
			func(f *fixture) { f.source.key = func(*model.Proxy) any { panic("no key") } },
			func(f *fixture) { f.source.key = nil },
		},
		{
			"a key that cannot be compared", "pilot_apisix_generator_panics_total",
			func(f *fixture) { f.source.key = func(*model.Proxy) any { return []string{"a"} } },
			func(f *fixture) { f.source.key = nil },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mt := monitortest.New(t)
			f := newFixture("routes/a", "1")
			old, late := newClient(t, f.Generator, "default"), newClient(t, f.Generator, "default")
			old.deltas(f.request(nil))
			tt.fail(f)
			assert.Equal(t, old.deltas(f.istiod.push(kind.VirtualService)), nil)
			late.has = map[string]string{"routes/a": "stale", "routes/z": "1"}
			assert.Equal(t, late.deltas(f.request(map[string]string{"routes/a": "stale", "routes/z": "1"})), nil)
			mt.Assert(tt.metric, nil, monitortest.AtLeast(2))
			if !f.connections.find(old.proxy).behind || f.connections.find(old.proxy).failure == nil {
				t.Error("the proxy must not be taken for up to date")
			}

			f.set("routes/a", "2")
			tt.heal(f)
			// A push that does not concern proxies at all still brings up to date those that were left behind.
			push := f.istiod.push(kind.Secret)
			assert.Equal(t, old.deltas(push).names(), []string{"routes/a"})
			// And the client that came in between has its versions honored.
			r := late.deltas(push)
			assert.Equal(t, r.names(), []string{"routes/a"})
			assert.Equal(t, r.removed, []string{"routes/z"})
			assert.Equal(t, old.deltas(f.istiod.push(kind.Secret)), nil)
			if f.connections.find(old.proxy).behind || f.connections.find(old.proxy).failure != nil {
				t.Error("the proxy is up to date")
			}
		})
	}
}

func TestAFailureIsNotRepeatedForTheWholeGroup(t *testing.T) {
	mt := monitortest.New(t)
	f := newFixture("routes/a", "1")
	var clients []*client
	for range 50 {
		c := newClient(t, f.Generator, "default")
		c.deltas(f.request(nil))
		clients = append(clients, c)
	}
	before := f.source.generated.Load()
	f.fail(nil, true)
	push := f.istiod.push(kind.VirtualService)
	for _, c := range clients {
		assert.Equal(t, c.deltas(push), nil)
	}
	assert.Equal(t, f.source.generated.Load(), before+1)
	mt.Assert("pilot_apisix_generator_panics_total", nil, monitortest.Exactly(1))

	t.Run("but an operator's push tries again", func(t *testing.T) {
		f.set("routes/a", "2")
		f.fail(nil, false)
		again := &model.PushRequest{Push: push.Push, Forced: true, Reason: model.NewReasonStats(model.DebugTrigger)}
		for _, c := range clients {
			assert.Equal(t, c.deltas(again).names(), []string{"routes/a"})
		}
		assert.Equal(t, f.source.generated.Load(), before+2)
	})
}

func TestInvalidResourcesAreCounted(t *testing.T) {
	mt := monitortest.New(t)
	f := newFixture("routes/a", "1")
	f.out.Resources = append(f.out.Resources, &translate.Resource{Kind: "gateways", ID: "x", JSON: []byte(`{}`)})
	c := newClient(t, f.Generator, "default")
	assert.Equal(t, c.deltas(f.request(nil)).names(), []string{"routes/a"})
	mt.Assert("pilot_apisix_invalid_resources_total", nil, monitortest.Exactly(1))
}

func TestRegister(t *testing.T) {
	source := &sourceStandIn{}
	for _, tt := range []struct {
		name   string
		server *istioxds.DiscoveryServer
		source Source
		want   string
	}{
		{"no server", nil, source, "there is no discovery server"},
		{"too early", &istioxds.DiscoveryServer{}, source, "it has no generators yet"},
		{"no source", &istioxds.DiscoveryServer{Generators: map[string]model.XdsResourceGenerator{}}, nil, "there is no source"},
		{
			"twice", &istioxds.DiscoveryServer{Generators: map[string]model.XdsResourceGenerator{v1alpha1.TypeURL: &Generator{}}},
			source, "the discovery server has a generator for it",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Register(tt.server, tt.source)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("want an error with %q, got %v", tt.want, err)
			}
		})
	}
}
