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
	"maps"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/config/schema/kind"
	istiolog "istio.io/istio/pkg/log"
	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/translate"
)

const (
	playedRoutes    = 4
	playedEndpoints = 4
	playedGroups    = 2
)

// play is a mesh with its istiod, its changes and its proxies, all in a random order. Configuration is part of a push
// context, endpoints are not, and a change is pushed after it was made: with istiod's rules for the order of things.
type play struct {
	t         *testing.T
	generator *Generator
	istiod    *istiodStandIn

	// configs has the configuration of each push context: the value of each route.
	configs sync.Map
	// config is the newest configuration; it belongs to who holds pushing for writing.
	config [playedRoutes]int
	// pushing keeps pushes of configuration in order among all others, as the debouncer does. Pushes of endpoints
	// overtake each other, as they do with PILOT_ENABLE_EDS_DEBOUNCE=false.
	pushing sync.RWMutex
	// context orders the making of a push context and its becoming the global one.
	context   sync.Mutex
	endpoints [playedEndpoints]atomic.Int64
	// failures is how many of 100 computations fail.
	failures atomic.Int64

	mu      sync.Mutex
	clients map[*playedClient]bool
}

// playedClient is one proxy with the server's loop for its stream.
type playedClient struct {
	*client
	// last is Proxy.LastPushContext.
	last *model.PushContext
	// watching is false before the first request for the type.
	watching bool
	sotwMode bool

	mu      sync.Mutex
	pending *model.PushRequest
	wake    chan struct{}
}

// generate reads configuration and endpoints, and takes its time between one and the next.
func (p *play) generate(proxy *model.Proxy, req *model.PushRequest) (*translate.Output, error) {
	switch failures := p.failures.Load(); {
	case rand.Int64N(100) >= failures:
	case rand.IntN(2) == 0:
		panic("played")
	default:
		return nil, errors.New("played")
	}
	config, _ := p.configs.Load(req.Push)
	out := &translate.Output{}
	for i := range p.endpoints {
		runtime.Gosched()
		if n := p.endpoints[i].Load(); n%5 > 0 {
			out.Resources = append(out.Resources, resource(fmt.Sprintf("upstreams/%d", i), fmt.Sprint(n)))
		}
	}
	for i, n := range config.([playedRoutes]int) {
		if n%4 > 0 {
			out.Resources = append(out.Resources, resource(fmt.Sprintf("routes/%d", i), fmt.Sprint(proxy.ConfigNamespace, n)))
		}
	}
	return out, nil
}

// want is what a proxy of namespace must have in the end.
func (p *play) want(namespace string) map[string]string {
	out, err := p.generate(&model.Proxy{ConfigNamespace: namespace}, &model.PushRequest{Push: p.istiod.global.Load()})
	if err != nil {
		p.t.Fatal(err)
	}
	return versionsOf(out)
}

func (p *play) newContext() *model.PushContext {
	p.context.Lock()
	defer p.context.Unlock()
	push := model.NewPushContext()
	push.PushVersion = fmt.Sprint(p.istiod.pushes.Add(1))
	p.configs.Store(push, p.config)
	p.istiod.global.Store(push)
	return push
}

// enqueue merges a push into what is pending for each proxy, as Istio's push queue does.
func (p *play) enqueue(req *model.PushRequest) {
	p.mu.Lock()
	clients := make([]*playedClient, 0, len(p.clients))
	for c := range p.clients {
		clients = append(clients, c)
	}
	p.mu.Unlock()
	for _, c := range clients {
		c.mu.Lock()
		c.pending = c.pending.CopyMerge(req)
		c.mu.Unlock()
		select {
		case c.wake <- struct{}{}:
		default:
		}
		if rand.IntN(8) == 0 {
			time.Sleep(time.Duration(rand.IntN(200)) * time.Microsecond)
		}
	}
}

func (p *play) changeEndpoint() {
	p.pushing.RLock()
	defer p.pushing.RUnlock()
	p.endpoints[rand.IntN(playedEndpoints)].Add(1)
	p.enqueue(pushOf(p.newContext(), kind.Endpoints))
}

func (p *play) changeConfig() {
	p.pushing.Lock()
	defer p.pushing.Unlock()
	p.config[rand.IntN(playedRoutes)]++
	p.enqueue(pushOf(p.newContext(), kind.VirtualService))
}

// connect makes the server's side of a new stream.
func (p *play) connect(c *playedClient) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clients[c] = true
	c.last = p.istiod.global.Load()
}

func (p *play) disconnect(c *playedClient) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.clients, c)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending = nil
}

// take handles the pending push, if there is one.
func (p *play) take(c *playedClient) bool {
	c.mu.Lock()
	req := c.pending
	c.pending = nil
	c.mu.Unlock()
	if req == nil {
		return false
	}
	if !model.OnlyHasConfigsOfKind(req.ConfigsUpdated, kind.Endpoints) {
		c.last = req.Push
	}
	if c.watching {
		c.generate(req)
	}
	return true
}

func (c *playedClient) generate(req *model.PushRequest) *response {
	if c.sotwMode {
		return c.sotw(req)
	}
	return c.deltas(req)
}

// subscribe sends the first request, with what the client holds, some of it wrong.
func (c *playedClient) subscribe() {
	held := maps.Clone(c.has)
	switch rand.IntN(3) {
	case 0:
		held["routes/gone"] = "x"
	case 1:
		held["routes/0"] = "stale"
	}
	c.has = held
	var versions map[string]string
	if !c.sotwMode {
		versions = maps.Clone(held)
	}
	c.watching = true
	c.generate(requestOf(c.last, versions))
}

// run plays a client until done is closed and nothing is pending.
func (p *play) run(c *playedClient, done <-chan struct{}) {
	p.connect(c)
	rnd := rand.New(rand.NewPCG(rand.Uint64(), 0))
	for {
		switch {
		case !c.watching && rnd.IntN(3) == 0:
			c.subscribe()
		case rnd.IntN(40) == 0:
			p.disconnect(c)
			c.reconnect()
			c.watching = false
			p.connect(c)
		case rnd.IntN(4) == 0:
			time.Sleep(time.Duration(rnd.IntN(500)) * time.Microsecond)
		}
		if p.take(c) {
			continue
		}
		select {
		case <-c.wake:
		case <-done:
			if !c.watching {
				c.subscribe()
			}
			for p.take(c) {
			}
			return
		case <-time.After(time.Duration(rnd.IntN(300)) * time.Microsecond):
		}
	}
}

// TestRandomInterleavings checks that every client ends with what a full computation gives, and on its way is never sent
// what it has, whatever the order of changes, pushes, slow proxies, late subscriptions, reconnects and failures.
func TestRandomInterleavings(t *testing.T) {
	const rounds, clients, changers, changes = 12, 10, 3, 25
	quiet(t)
	for round := range rounds {
		p := &play{t: t, istiod: &istiodStandIn{}, clients: map[*playedClient]bool{}}
		p.generator = newGenerator(&sourceStandIn{generate: p.generate}, p.istiod.global.Load)
		p.newContext()
		if round%2 == 1 {
			p.failures.Store(10)
		}
		done := make(chan struct{})
		var proxies, changing sync.WaitGroup
		var all []*playedClient
		for i := range clients {
			c := &playedClient{
				client:   newClient(t, p.generator, fmt.Sprint("ns", i%playedGroups)),
				wake:     make(chan struct{}, 1),
				sotwMode: i%5 == 4,
			}
			all = append(all, c)
			proxies.Go(func() { p.run(c, done) })
		}
		for range changers {
			changing.Go(func() {
				for range changes {
					if rand.IntN(3) == 0 {
						p.changeConfig()
					} else {
						p.changeEndpoint()
					}
					time.Sleep(time.Duration(rand.IntN(400)) * time.Microsecond)
				}
			})
		}
		changing.Wait()
		if p.failures.Swap(0) > 0 {
			// Who was left behind is brought up to date by the next push, even one that concerns nobody.
			p.enqueue(pushOf(p.newContext(), kind.Secret))
		}
		close(done)
		proxies.Wait()
		for i, c := range all {
			if want := p.want(c.proxy.ConfigNamespace); !maps.Equal(c.has, want) {
				t.Fatalf("round %d, client %d: has %v, must have %v", round, i, c.has, want)
			}
			// A stream that is up to date is told nothing by one more push.
			assert.Equal(t, c.generate(pushOf(p.istiod.global.Load(), kind.Endpoints)), nil)
		}
	}
}

// quiet keeps the stacks of played panics off the test's output.
func quiet(t *testing.T) {
	level := log.GetOutputLevel()
	log.SetOutputLevel(istiolog.NoneLevel)
	t.Cleanup(func() { log.SetOutputLevel(level) })
}
