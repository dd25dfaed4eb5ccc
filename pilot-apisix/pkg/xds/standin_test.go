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
	"bytes"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"

	"istio.io/istio/pilot/pkg/features"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/config/schema/kind"
	"istio.io/istio/pkg/util/sets"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/translate"
	"github.com/apisix-mesh/pilot-apisix/pkg/apis/mesh/v1alpha1"
)

func TestMain(m *testing.M) {
	// Istio's own checks that nobody breaks the protocol.
	features.EnableUnsafeAssertions = true
	os.Exit(m.Run())
}

// sourceStandIn stands in for the source of pilot-apisix/pkg/generate, so that tests can say what it returns.
type sourceStandIn struct {
	key      func(proxy *model.Proxy) any
	generate func(proxy *model.Proxy, req *model.PushRequest) (*translate.Output, error)
	// generated counts the calls of Generate.
	generated atomic.Int64

	mu       sync.Mutex
	requests []*model.PushRequest
}

func (s *sourceStandIn) Key(proxy *model.Proxy, _ *model.PushContext) any {
	if s.key == nil {
		return proxy.ConfigNamespace
	}
	return s.key(proxy)
}

func (s *sourceStandIn) Generate(proxy *model.Proxy, req *model.PushRequest, prev *translate.Output) (*translate.Output, error) {
	s.generated.Add(1)
	s.mu.Lock()
	s.requests = append(s.requests, req)
	s.mu.Unlock()
	out, err := s.generate(proxy, req)
	if err != nil || out == nil {
		return nil, err
	}
	return keepPointers(out, prev), nil
}

// keepPointers does for a stand-in what is asked of a source: resources that did not change keep their pointer.
func keepPointers(out, prev *translate.Output) *translate.Output {
	if prev == nil {
		return out
	}
	last := make(map[string]*translate.Resource, len(prev.Resources))
	for _, r := range prev.Resources {
		last[r.Name()] = r
	}
	for i, r := range out.Resources {
		if old := last[r.Name()]; old != nil && bytes.Equal(old.JSON, r.JSON) && len(old.Sources) == len(r.Sources) {
			out.Resources[i] = old
		}
	}
	return out
}

// istiodStandIn stands in for the discovery server in tests that call the generator as the server would.
type istiodStandIn struct {
	global atomic.Pointer[model.PushContext]
	pushes atomic.Int64
}

func newIstiodStandIn() *istiodStandIn {
	s := &istiodStandIn{}
	s.newContext()
	return s
}

// newContext makes a new global push context.
func (s *istiodStandIn) newContext() *model.PushContext {
	push := model.NewPushContext()
	push.PushVersion = fmt.Sprint(s.pushes.Add(1))
	s.global.Store(push)
	return push
}

// push is a push of configs with a new context.
func (s *istiodStandIn) push(kinds ...kind.Kind) *model.PushRequest {
	return pushOf(s.newContext(), kinds...)
}

func pushOf(push *model.PushContext, kinds ...kind.Kind) *model.PushRequest {
	updated := sets.New[model.ConfigKey]()
	for _, k := range kinds {
		updated.Insert(model.ConfigKey{Kind: k, Name: "a", Namespace: "default"})
	}
	return &model.PushRequest{Push: push, ConfigsUpdated: updated, Reason: model.NewReasonStats(model.ConfigUpdate)}
}

// requestOf is what the server makes of a client's request. versions are those that it says it holds.
func requestOf(push *model.PushContext, versions map[string]string, names ...string) *model.PushRequest {
	subscribed := sets.New(names...)
	for name := range versions {
		subscribed.Insert(name)
	}
	return &model.PushRequest{
		Push:   push,
		Reason: model.NewReasonStats(model.ProxyRequest),
		Forced: true,
		Delta:  model.ResourceDelta{Subscribed: subscribed, InitialResourceVersions: versions},
	}
}

// client is one stream, without the network: what the server keeps of it and what the proxy has.
type client struct {
	t         testing.TB
	generator *Generator
	proxy     *model.Proxy
	// has is the version of each resource.
	has map[string]string
}

func newClient(t testing.TB, g *Generator, namespace string) *client {
	return &client{t: t, generator: g, has: map[string]string{}, proxy: newProxy(model.SidecarProxy, namespace)}
}

func newProxy(node model.NodeType, namespace string) *model.Proxy {
	return &model.Proxy{
		Type: node, ID: "app." + namespace, ConfigNamespace: namespace, Metadata: &model.NodeMetadata{},
		WatchedResources: map[string]*model.WatchedResource{
			v1alpha1.TypeURL: {TypeUrl: v1alpha1.TypeURL, Wildcard: true},
		},
	}
}

// reconnect is a new stream of the same client.
func (c *client) reconnect() {
	c.proxy = newProxy(c.proxy.Type, c.proxy.ConfigNamespace)
}

// response is what the server would send.
type response struct {
	changed []*discovery.Resource
	removed []string
}

// names are those of the changed resources, in the order in which they travel.
func (r *response) names() []string { return namesOf(r.changed) }

// deltas calls the generator as delta.go does and applies the response, which is nil when none is sent. It fails when
// the client is told something that it knows.
func (c *client) deltas(req *model.PushRequest) *response {
	c.t.Helper()
	w := c.proxy.GetWatchedResource(v1alpha1.TypeURL)
	if !req.Delta.IsEmpty() {
		w = &model.WatchedResource{TypeUrl: v1alpha1.TypeURL, ResourceNames: req.Delta.Subscribed}
	}
	res, removed, _, usedDelta, err := c.generator.GenerateDeltas(c.proxy, req, w)
	if err != nil {
		c.t.Fatal(err)
	}
	if !usedDelta {
		c.t.Fatal("the framework must not compute removals from its own set of names")
	}
	if res == nil && removed == nil {
		return nil
	}
	for _, r := range res {
		if c.has[r.Name] == r.Version && !req.Delta.Subscribed.Contains(r.Name) {
			c.t.Errorf("%s was sent and had not changed", r.Name)
		}
		c.has[r.Name] = r.Version
	}
	for _, name := range removed {
		if _, ok := c.has[name]; !ok && !req.Delta.Subscribed.Contains(name) {
			c.t.Errorf("%s was removed and is not there", name)
		}
		delete(c.has, name)
	}
	return &response{res, removed}
}

// sotw calls the generator as ads.go does; nil means that nothing is sent.
func (c *client) sotw(req *model.PushRequest) *response {
	c.t.Helper()
	res, _, err := c.generator.Generate(c.proxy, c.proxy.GetWatchedResource(v1alpha1.TypeURL), req)
	if err != nil {
		c.t.Fatal(err)
	}
	if res == nil {
		return nil
	}
	clear(c.has)
	for _, r := range res {
		c.has[r.Name] = r.Version
	}
	return &response{changed: res}
}

// versionsOf is what a client has that got out in one piece.
func versionsOf(out *translate.Output) map[string]string {
	v, _ := newView(out, nil, newPool())
	has := map[string]string{}
	for _, w := range v.wires {
		has[w.Name] = w.Version
	}
	return has
}
