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
	"runtime"
	"sync"
	"time"
	"weak"

	"istio.io/istio/pilot/pkg/model"
)

// connection is what is remembered of one stream that subscribes to the type. Only the goroutine of the stream writes to
// it; the debug page reads.
type connection struct {
	mu sync.Mutex
	// group keeps the group of the proxy alive.
	group *group
	// sent is the view that the client was brought to; nil before the first response.
	sent *view
	// held are the versions that the client said it holds when it came; nil after the first response.
	held map[string]string
	// behind is set from the moment a push concerns the proxy until it has what it must have.
	behind bool
	// failure is why the last attempt ended with the proxy behind.
	failure error
	// version is the version of the push that the proxy was brought up to date with last, at is when.
	version string
	at      time.Time
}

// begin notes that the proxy must be brought up to date, and what it holds when this is its first request.
func (c *connection) begin(req *model.PushRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.behind = true
	if c.sent == nil && len(req.Delta.InitialResourceVersions) > 0 {
		c.held = req.Delta.InitialResourceVersions
	}
}

func (c *connection) join(g *group) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.group = g
}

func (c *connection) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failure = err
}

// done notes that the proxy is being sent v. When the write fails the stream ends, and the connection with it.
func (c *connection) done(v *view, push *model.PushContext) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent, c.held = v, nil
	c.behind, c.failure = false, nil
	if push != nil {
		c.version = push.PushVersion
	}
	c.at = time.Now()
}

// connections finds the connection of a proxy. Istio makes one model.Proxy for each stream and tells nobody when the
// stream ends, so the entries live as long as their proxies.
type connections struct {
	mu      sync.Mutex
	byProxy map[weak.Pointer[model.Proxy]]*connection
}

func newConnections() *connections {
	return &connections{byProxy: map[weak.Pointer[model.Proxy]]*connection{}}
}

func (s *connections) of(proxy *model.Proxy) *connection {
	key := weak.Make(proxy)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.byProxy[key]
	if c == nil {
		c = &connection{}
		s.byProxy[key] = c
		runtime.AddCleanup(proxy, s.drop, key)
	}
	return c
}

// find returns the connection of proxy, or nil when it has never subscribed.
func (s *connections) find(proxy *model.Proxy) *connection {
	key := weak.Make(proxy)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byProxy[key]
}

func (s *connections) drop(key weak.Pointer[model.Proxy]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byProxy, key)
}

func (s *connections) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.byProxy)
}
