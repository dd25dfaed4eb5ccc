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
	"fmt"
	"sort"
	"strings"
)

// router is radixtree_host_uri: a table of paths for every host, and one for the routes without a host. A host that is named
// exactly comes first, then wildcards from the longest to the shortest, then the routes without a host; whoever has no route
// that takes the request leaves it to the next.
type router struct {
	exact     map[string]*table
	wildcards []*table
	byHost    map[string]*table
	any       *table
}

// table is a radix tree of paths: the exact path comes first, then prefixes from the longest to the shortest.
type table struct {
	// host is for people, suffix the part behind the "*".
	host, suffix string
	exact        map[string][]*candidate
	byPrefix     map[string][]*candidate
	prefixes     []string
}

// candidate is one path of a route.
type candidate struct {
	*route
	path    string
	pattern *pathPattern
}

func newRouter() *router {
	return &router{exact: map[string]*table{}, byHost: map[string]*table{}, any: newTable("")}
}

func newTable(host string) *table {
	return &table{host: host, exact: map[string][]*candidate{}, byPrefix: map[string][]*candidate{}}
}

func (m *router) add(r *route, services map[string]*service) error {
	if r.off {
		return nil
	}
	hosts := r.hosts
	if len(hosts) == 0 && r.service != "" {
		if s := services[r.service]; s != nil {
			hosts = s.hosts
		}
	}
	tables := []*table{m.any}
	if len(hosts) > 0 {
		tables = tables[:0]
		for _, h := range hosts {
			tables = append(tables, m.table(h))
		}
	}
	for _, path := range r.paths {
		c := &candidate{route: r, path: path}
		prefix, _, isPrefix := strings.Cut(path, "*")
		if isPrefix {
			var err error
			if c.pattern, err = newPathPattern(path); err != nil {
				return fmt.Errorf("uri %q: %w", path, err)
			}
		}
		for _, t := range tables {
			if isPrefix {
				t.byPrefix[prefix] = append(t.byPrefix[prefix], c)
			} else {
				t.exact[path] = append(t.exact[path], c)
			}
		}
	}
	return nil
}

func (m *router) table(host string) *table {
	if t := m.byHost[host]; t != nil {
		return t
	}
	t := newTable(host)
	m.byHost[host] = t
	if suffix, wildcard := hostPattern(host); wildcard {
		t.suffix = suffix
		m.wildcards = append(m.wildcards, t)
	} else {
		m.exact[host] = t
	}
	return t
}

// sort puts everything into the order in which APISIX looks at it.
func (m *router) sort() {
	sort.Slice(m.wildcards, func(i, j int) bool { return len(m.wildcards[i].suffix) > len(m.wildcards[j].suffix) })
	m.any.sort()
	for _, t := range m.byHost {
		t.sort()
	}
}

func (t *table) sort() {
	rank := func(list []*candidate) {
		sort.SliceStable(list, func(i, j int) bool {
			if list[i].priority != list[j].priority {
				return list[i].priority > list[j].priority
			}
			return len(list[i].path) > len(list[j].path)
		})
	}
	for _, list := range t.exact {
		rank(list)
	}
	for prefix, list := range t.byPrefix {
		rank(list)
		t.prefixes = append(t.prefixes, prefix)
	}
	sort.Slice(t.prefixes, func(i, j int) bool { return len(t.prefixes[i]) > len(t.prefixes[j]) })
}

// match finds the route that takes r, and says why.
func (m *router) match(r *request, why *reasons) *route {
	if t := m.exact[r.host]; t != nil {
		if c := t.match(r, why); c != nil {
			return c
		}
	}
	for _, t := range m.wildcards {
		if strings.HasSuffix(r.host, t.suffix) {
			if c := t.match(r, why); c != nil {
				return c
			}
		}
	}
	return m.any.match(r, why)
}

func (t *table) match(r *request, why *reasons) *route {
	where := "routes without a host"
	if t.host != "" {
		where = "host " + t.host
	}
	looked := false
	try := func(list []*candidate) *route {
		for i, c := range list {
			looked = true
			if ok, reason := c.takes(r); !ok {
				why.add("%s: route %s (uri %s, priority %d): %s", where, c.id, c.path, c.priority, reason)
				continue
			}
			why.add("%s: route %s (uri %s, priority %d) takes it", where, c.id, c.path, c.priority)
			for _, d := range list[i+1:] {
				if ok, _ := d.takes(r); ok && d.route != c.route && d.priority == c.priority && len(d.path) == len(c.path) {
					why.add("route %s would take it too, with the same priority: APISIX decides by which of them it learned of first", d.id)
				}
			}
			return c.route
		}
		return nil
	}
	if found := try(t.exact[r.uri]); found != nil {
		return found
	}
	for _, prefix := range t.prefixes {
		if strings.HasPrefix(r.uri, prefix) {
			if found := try(t.byPrefix[prefix]); found != nil {
				return found
			}
		}
	}
	if !looked && t.host != "" {
		why.add("%s: no route has the path %s", where, quote(r.uri))
	}
	return nil
}

// knownMethods are those that a route's methods can ask for.
const knownMethods = " GET POST PUT DELETE PATCH HEAD OPTIONS CONNECT TRACE PURGE "

// takes says whether the candidate, whose path is in the tree, takes the request.
func (c *candidate) takes(r *request) (bool, string) {
	if len(c.methods) > 0 {
		found := false
		for _, m := range c.methods {
			found = found || m == r.method && strings.Contains(knownMethods, " "+m+" ")
		}
		if !found {
			return false, fmt.Sprintf("the method %s is none of %s", r.method, strings.Join(c.methods, ", "))
		}
	}
	if ok, reason := c.vars.holds(r); !ok {
		return false, reason
	}
	if c.pattern != nil && !c.pattern.matches(r.uri) {
		return false, fmt.Sprintf("the path, of %d bytes, does not match the pattern that APISIX makes of the uri", len(r.uri))
	}
	return true, ""
}
