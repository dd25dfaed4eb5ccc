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
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"
	"weak"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"istio.io/istio/pilot/pkg/model"
	istioxds "istio.io/istio/pilot/pkg/xds"
	istiolog "istio.io/istio/pkg/log"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/translate"
	"github.com/apisix-mesh/pilot-apisix/pkg/apis/mesh/v1alpha1"
)

var log = istiolog.RegisterScope("apisix", "APISIX resources for proxies")

// errNoOutput is what a Source is told that returns neither an output nor an error.
var errNoOutput = errors.New("the source returned no output")

// Generator serves the type v1alpha1.TypeURL. Register makes one.
type Generator struct {
	server *istioxds.DiscoveryServer
	source Source
	// global is the newest push context.
	global func() *model.PushContext

	pool        *pool
	groups      *groups
	connections *connections
	views       atomic.Int64
}

var (
	_ model.XdsResourceGenerator      = &Generator{}
	_ model.XdsDeltaResourceGenerator = &Generator{}
)

// Register makes server serve the resources of source. It is called after bootstrap.NewServer, which sets the other
// generators, and before Start. It fails when an argument is missing or the type is served already.
func Register(server *istioxds.DiscoveryServer, source Source) (*Generator, error) {
	if server == nil || server.Generators == nil {
		return nil, fmt.Errorf("cannot serve %s: there is no discovery server, or it has no generators yet", v1alpha1.TypeURL)
	}
	if source == nil {
		return nil, fmt.Errorf("cannot serve %s: there is no source", v1alpha1.TypeURL)
	}
	if _, taken := server.Generators[v1alpha1.TypeURL]; taken {
		return nil, fmt.Errorf("cannot serve %s: the discovery server has a generator for it", v1alpha1.TypeURL)
	}
	g := newGenerator(source, func() *model.PushContext { return server.Env.PushContext() })
	g.server = server
	server.Generators[v1alpha1.TypeURL] = g
	return g, nil
}

func newGenerator(source Source, global func() *model.PushContext) *Generator {
	return &Generator{
		source:      source,
		global:      global,
		pool:        newPool(),
		groups:      newGroups(),
		connections: newConnections(),
	}
}

// GenerateDeltas implements model.XdsDeltaResourceGenerator. It returns nothing at all when nothing is to be sent. Its
// error, always a gRPC status, ends the stream and is reserved for clients that cannot be served.
func (g *Generator) GenerateDeltas(proxy *model.Proxy, req *model.PushRequest, w *model.WatchedResource) (
	res model.Resources, removed model.DeletedResources, details model.XdsLogDetails, usedDelta bool, err error,
) {
	defer g.contain(proxy, &res, &removed)
	// On a request w can be a copy that lacks the flag.
	watched := proxy.GetWatchedResource(v1alpha1.TypeURL)
	if err := admit(proxy, watched != nil && watched.Wildcard); err != nil {
		return nil, nil, details, true, err
	}
	forgetNames(proxy, watched, w)

	c := g.connections.of(proxy)
	v := g.current(c, proxy, req)
	if v == nil {
		return nil, nil, details, true, nil
	}
	first := c.sent == nil
	var d *delta
	if first {
		d = v.against(c.held)
	} else {
		d = v.since(c.sent)
	}
	names := askedFor(req)
	if len(names) > 0 {
		d = v.with(d, names)
	}
	details.Incremental = !first
	if !d.empty() || first || len(names) > 0 {
		res, removed = d.changed, d.removed
		if res == nil {
			// The client waits for an answer to its request, also when there is nothing in it.
			res = model.Resources{}
		}
		count(res, removed)
	}
	c.done(v, req.Push)
	return res, removed, details, true, nil
}

// Generate implements model.XdsResourceGenerator: the whole set when anything changed or the client asks, and nil
// otherwise. Errors are as in GenerateDeltas.
func (g *Generator) Generate(proxy *model.Proxy, w *model.WatchedResource, req *model.PushRequest) (
	res model.Resources, details model.XdsLogDetails, err error,
) {
	defer g.contain(proxy, &res, nil)
	if g.connections.find(proxy) == nil && !req.IsRequest() {
		// No stream begins without a request: this is /debug/config_dump, with a copy of some proxy.
		return g.dump(proxy, req), details, nil
	}
	if err := admit(proxy, len(w.ResourceNames) == 0 || len(w.ResourceNames) == 1 && w.ResourceNames.Contains("*")); err != nil {
		return nil, details, err
	}
	c := g.connections.of(proxy)
	v := g.current(c, proxy, req)
	if v == nil {
		return nil, details, nil
	}
	if c.sent == nil || req.IsRequest() || !v.since(c.sent).empty() {
		res = v.wires
		count(res, nil)
	}
	c.done(v, req.Push)
	return res, details, nil
}

// admit refuses clients that cannot be served.
func admit(proxy *model.Proxy, wildcard bool) error {
	switch proxy.Type {
	case model.SidecarProxy, model.Router:
	default:
		return status.Errorf(codes.InvalidArgument, "%s is for proxies of type %s and %s; %s is of type %s",
			v1alpha1.TypeURL, model.SidecarProxy, model.Router, proxy.ID, proxy.Type)
	}
	if !wildcard {
		return status.Errorf(codes.InvalidArgument,
			"%s can only be subscribed to as a whole: name no resources, or *", v1alpha1.TypeURL)
	}
	return nil
}

// askedFor are the names that a client asks for beside its wildcard subscription. Istio puts those that the client holds
// among them.
func askedFor(req *model.PushRequest) []string {
	if !req.IsRequest() || len(req.Delta.Subscribed) <= len(req.Delta.InitialResourceVersions) {
		return nil
	}
	var names []string
	for name := range req.Delta.Subscribed {
		if _, held := req.Delta.InitialResourceVersions[name]; !held {
			names = append(names, name)
		}
	}
	return names
}

// forgetNames empties the set of names that Istio keeps for the connection and copies on every push. w is the watched
// resource itself or, on a request that names resources, a copy.
func forgetNames(proxy *model.Proxy, watched, w *model.WatchedResource) {
	if len(watched.ResourceNames) > 0 {
		proxy.UpdateWatchedResource(v1alpha1.TypeURL, func(wr *model.WatchedResource) *model.WatchedResource {
			if wr != nil {
				wr.ResourceNames = nil
			}
			return wr
		})
	}
	if w != watched {
		w.ResourceNames = nil
	}
}

// current returns the view that proxy must have, or nil when the push does not concern it or the view could not be made.
func (g *Generator) current(c *connection, proxy *model.Proxy, req *model.PushRequest) *view {
	if !req.IsRequest() && !c.behind && !concerns(proxy, req) {
		return nil
	}
	c.begin(req)
	group, v, err := g.view(proxy, req)
	if err != nil {
		c.fail(err)
		return nil
	}
	c.join(group)
	return v
}

// view returns the view of proxy in the state of the world that req tells of.
func (g *Generator) view(proxy *model.Proxy, req *model.PushRequest) (*group, *view, error) {
	var group *group
	if err := guard(proxy, func() error {
		group = g.groups.of(g.source.Key(proxy, req.Push))
		return nil
	}); err != nil {
		return nil, nil, err
	}
	// The global context is read before the computation begins, see the package's documentation.
	now := world{push: weak.Make(req.Push), global: weak.Make(g.global())}
	v, computed, err := group.at(now, insists(req), func(prev *view) (v *view, err error) {
		err = guard(proxy, func() error {
			v, err = g.compute(proxy, req, prev)
			return err
		})
		return v, err
	})
	if computed {
		viewMisses.Increment()
	} else {
		viewHits.Increment()
	}
	return group, v, err
}

// compute asks the source.
func (g *Generator) compute(proxy *model.Proxy, req *model.PushRequest, prev *view) (*view, error) {
	start := time.Now()
	var last *translate.Output
	if prev != nil {
		last = prev.out
	}
	out, err := g.source.Generate(proxy, &model.PushRequest{
		Push:   req.Push,
		Start:  req.Start,
		Reason: req.Reason,
		Forced: true,
	}, last)
	if err == nil && out == nil {
		err = errNoOutput
	}
	if err != nil {
		generationErrors.Increment()
		log.Errorf("cannot make the APISIX resources of %s, it keeps those it has: %v", proxy.ID, err)
		return nil, err
	}
	v, refused := newView(out, prev, g.pool)
	g.pool.report()
	for _, err := range refused {
		invalidResources.Increment()
		log.Errorf("left out of what %s is sent: %v", proxy.ID, err)
	}
	if v != prev {
		viewsInUse.RecordInt(g.views.Add(1))
		runtime.AddCleanup(v, func(g *Generator) {
			viewsInUse.RecordInt(g.views.Add(-1))
			g.pool.report()
		}, g)
	}
	generationTime.Record(time.Since(start).Seconds())
	return v, nil
}

// guard runs f and turns a panic into an error.
func guard(proxy *model.Proxy, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = caught(proxy, p)
		}
	}()
	return f()
}

// contain is deferred by what Istio calls: a panic that got so far must not end istiod, and nothing is sent.
func (g *Generator) contain(proxy *model.Proxy, res *model.Resources, removed *model.DeletedResources) {
	if p := recover(); p != nil {
		err := caught(proxy, p)
		*res = nil
		if removed != nil {
			*removed = nil
		}
		if c := g.connections.find(proxy); c != nil {
			c.fail(err)
		}
	}
}

func caught(proxy *model.Proxy, p any) error {
	generatorPanics.Increment()
	log.Errorf("panic while making the APISIX resources of %s, it keeps those it has: %v\n%s", proxy.ID, p, debug.Stack())
	return fmt.Errorf("panic: %v", p)
}

func count(res []*discovery.Resource, removed []string) {
	resourcesSent.RecordInt(int64(len(res)))
	resourcesRemoved.RecordInt(int64(len(removed)))
	bytesSent.RecordInt(int64(istioxds.ResourceSize(res)))
}
