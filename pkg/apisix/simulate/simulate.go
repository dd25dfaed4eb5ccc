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

package simulate

import (
	"errors"
	"fmt"
	"sort"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// Resource is one object of APISIX's configuration center.
type Resource struct {
	Kind apisix.Kind
	ID   string
	// JSON is the object.
	JSON []byte
}

// Config is a set of resources, ready to be played against. It is never changed, so any number of goroutines may use it.
type Config struct {
	routes        map[string]*route
	upstreams     map[string]*Upstream
	services      map[string]*service
	pluginConfigs map[string]plugins
	globalPlugins plugins
	router        *router
	streamRouter  *streamRouter
}

// New reads the resources: routes, stream_routes, upstreams, services, plugin_configs and global_rules; other kinds have no part in routing
// and are passed over. An error names the resource, and says what APISIX would refuse or what cannot be played.
func New(resources []Resource) (*Config, error) {
	c := &Config{
		routes:        map[string]*route{},
		upstreams:     map[string]*Upstream{},
		services:      map[string]*service{},
		pluginConfigs: map[string]plugins{},
	}
	streamRoutes := map[string]*streamRoute{}
	var rules []globalRule
	seen := map[string]bool{}
	for _, r := range resources {
		name := apisix.Name(r.Kind, r.ID)
		if _, known := r.Kind.Order(); !known || !apisix.ValidID(r.ID) {
			return nil, fmt.Errorf("%q: not the name of a resource", name)
		}
		if seen[name] {
			return nil, fmt.Errorf("%s: there are two of them", name)
		}
		seen[name] = true
		var rule *globalRule
		var err error
		if r.Kind == apisix.StreamRoutes {
			streamRoutes[r.ID], err = parseStreamRoute(r)
		} else {
			rule, err = c.add(r)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if rule != nil {
			rules = append(rules, *rule)
		}
	}
	c.globalPlugins = mergeGlobalRules(rules)
	ids := make([]string, 0, len(c.routes))
	for id := range c.routes {
		ids = append(ids, id)
	}
	// APISIX takes routes of equal rank in the order in which they arrived; at its start that is the order of their keys.
	sort.Strings(ids)
	c.router = newRouter()
	for _, id := range ids {
		if err := c.router.add(c.routes[id], c.services); err != nil {
			return nil, fmt.Errorf("%s: %w", apisix.Name(apisix.Routes, id), err)
		}
	}
	c.router.sort()
	c.streamRouter = newStreamRouter(streamRoutes)
	return c, nil
}

func (c *Config) add(r Resource) (*globalRule, error) {
	var err error
	switch r.Kind {
	case apisix.Routes:
		c.routes[r.ID], err = parseRoute(r)
	case apisix.Upstreams:
		c.upstreams[r.ID], err = parseUpstream(r)
	case apisix.Services:
		c.services[r.ID], err = parseService(r)
	case apisix.PluginConfigs:
		c.pluginConfigs[r.ID], err = parsePluginConfig(r)
	case apisix.GlobalRules:
		rule := globalRule{id: r.ID}
		if rule.plugins, err = parsePluginConfig(r); err == nil {
			return &rule, nil
		}
	}
	return nil, err
}

// Upstream is the upstream of that id.
func (c *Config) Upstream(id string) (Upstream, bool) {
	u, ok := c.upstreams[id]
	if !ok {
		return Upstream{}, false
	}
	return *u, true
}

// errNotSimulated is what New refuses rather than play it wrongly.
var errNotSimulated = errors.New("not simulated")
