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
	"maps"
	"net/http"
	"slices"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// exchange is a request on its way through APISIX.
type exchange struct {
	config *Config
	*request
	why    *reasons
	result *Result
	// action is that of the route, and empty without one.
	action
	route string
	// answer is what APISIX or a plugin answers; no later phase but that of the response runs then.
	answer *Response
	// targets are where the request may go; a plugin that splits replaces them. base is what the route itself says.
	targets []*target
	base    *target
	// routed says that Envoy's router would have seen the request, so that the route's changes to responses are due.
	routed bool
	// corsOrigin is the origin that mesh-cors lets in.
	corsOrigin string
}

// target is a destination, and the request as it stands for it.
type target struct {
	Destination
	state    *request
	response *headerOps
	// rewritten says that a plugin made the path.
	rewritten bool
}

// newTarget is a target that has what was done to the request before it was split.
func (e *exchange) newTarget(id string, weight int) *target {
	t := &target{}
	from := e.request
	if e.base != nil {
		*t, from = *e.base, e.base.state
		t.Request.Changes = slices.Clone(t.Request.Changes)
	}
	t.UpstreamID, t.Weight = id, weight
	state := *from
	state.header, state.names = maps.Clone(from.header), slices.Clone(from.names)
	t.state = &state
	return t
}

// now is the request as the plugins so far have left it, before it is split.
func (e *exchange) now() *request {
	if e.base == nil {
		return e.request
	}
	return e.base.state
}

// HTTP plays the request. It never fails: what nginx refuses is answered as nginx does.
func (c *Config) HTTP(in Request) Result {
	var result Result
	why := &reasons{}
	r, refused := accept(in)
	if refused != nil {
		why.add("nginx answers %d: %s", refused.status, refused.reason)
		result.Response = &Response{Status: refused.status}
	} else {
		why.add("%s %s to host %s, port %s", r.method, quote(r.uri), r.host, r.requestedPort())
		e := &exchange{config: c, request: r, why: why, result: &result}
		e.play()
	}
	result.Why = why.lines
	return result
}

// play does what APISIX's access phase does.
func (e *exchange) play() {
	if e.uri == statusLocation {
		e.why.add("nginx.conf has a location of its own for this path")
		e.result.Response = statusPage(e.request)
		return
	}
	found := e.config.router.match(e.request, e.why)
	if found == nil {
		e.why.add("no route takes it")
		e.run(e.config.globalPlugins, plugin.rewrite)
		e.run(e.config.globalPlugins, plugin.access)
		e.respond(&Response{Status: http.StatusNotFound, Body: `{"error_msg":"404 Route Not Found"}` + "\n"})
		e.finish()
		return
	}
	e.result.Route, e.route = found.id, found.id
	a, absent := e.config.merge(found)
	if absent != nil {
		e.why.add("route %s names a plugin_config or a service that does not exist", found.id)
		e.respond(absent)
		e.finish()
		return
	}
	e.action = a
	e.base = e.newTarget(a.upstreamID, 1)
	e.targets = []*target{e.base}
	e.run(e.config.globalPlugins, plugin.rewrite)
	if e.answer != nil {
		// The route's plugins have not come to life, and will not see the response either.
		e.plugins = nil
	}
	e.run(e.plugins, plugin.rewrite)
	e.run(e.config.globalPlugins, plugin.access)
	e.run(e.plugins, plugin.access)
	e.forward()
	e.finish()
}

// run runs one phase until somebody answers.
func (e *exchange) run(list plugins, phase func(plugin, *exchange)) {
	list.each(func(p plugin) {
		if e.answer == nil {
			phase(p, e)
		}
	})
}

// respond answers, unless somebody has.
func (e *exchange) respond(r *Response) {
	if e.answer == nil {
		e.answer = r
	}
}

// forward finds the nodes of the destinations.
func (e *exchange) forward() {
	if e.answer != nil {
		return
	}
	for _, t := range e.targets {
		e.reach(t)
	}
	if !slices.ContainsFunc(e.targets, func(t *target) bool { return t.Status == 0 }) {
		return
	}
	e.result.Websocket = e.websocket != nil && *e.websocket
	e.run(e.config.globalPlugins, plugin.beforeProxy)
	e.run(e.plugins, plugin.beforeProxy)
}

// reach fills in what becomes of a request that goes to t.
func (e *exchange) reach(t *target) {
	u := e.upstream
	if t.UpstreamID != "" {
		u = e.config.upstreams[t.UpstreamID]
	}
	if t.OriginalDst.IsValid() {
		u = &Upstream{Timeout: t.Timeout, Nodes: make([]apisix.Node, 1)}
	}
	switch {
	case t.Status != 0:
		return
	case t.UpstreamID == "" && u == nil:
		e.why.add("route %s has no upstream", e.route)
		t.Status = http.StatusServiceUnavailable
		return
	case u == nil:
		e.why.add("upstream %s does not exist", t.UpstreamID)
		t.Status = http.StatusBadGateway
		return
	case len(u.Nodes) == 0:
		e.why.add("upstream %s has no nodes", t.UpstreamID)
		t.Status = http.StatusServiceUnavailable
		return
	}
	t.Timeout, t.Retries = u.Timeout, u.Retries
	if e.timeout != nil {
		t.Timeout = *e.timeout
	}
	if u.host != "" {
		t.Request.Host = u.host
	}
	if t.Request.Host == "" {
		t.Request.Host = e.httpHost
	}
	if t.Request.Path == "" {
		t.Request.Path = e.target()
	}
	t.Request.Method = e.method
	t.Request.Header = http.Header{}
	for _, name := range t.state.names {
		key := http.CanonicalHeaderKey(name)
		t.Request.Header[key] = append(t.Request.Header[key], t.state.header[name]...)
	}
}

// changeRequest changes the headers that t gets.
func (t *target) changeRequest(changes ...HeaderChange) {
	t.Request.Changes = append(t.Request.Changes, changes...)
	for _, c := range changes {
		switch c.Action {
		case Set:
			t.state.setHeader(c.Name, c.Value)
		case Add:
			t.state.addHeader(c.Name, c.Value)
		case Remove:
			t.state.removeHeader(c.Name)
		}
	}
}

// finish runs the phase that sees the response, and completes the result.
func (e *exchange) finish() {
	run := func(p plugin) { p.headerFilter(e) }
	e.config.globalPlugins.each(run)
	e.plugins.each(run)
	if e.result.Response = e.answer; e.answer != nil {
		return
	}
	for _, t := range e.targets {
		e.result.Destinations = append(e.result.Destinations, t.Destination)
	}
	e.result.Response = e.unreachable()
}

// unreachable is the answer where all destinations have the same one, or nil.
func (e *exchange) unreachable() *Response {
	first := e.targets[0]
	if first.Status == 0 || slices.ContainsFunc(e.targets, func(t *target) bool { return t.Status != first.Status }) {
		return nil
	}
	r := &Response{Status: first.Status}
	r.change(first.ResponseChanges)
	return r
}

// singleHeaders are those of which nginx keeps one in a response: to add one is to set it.
var singleHeaders = map[string]bool{
	"accept-ranges": true, "content-encoding": true, "content-length": true, "content-range": true, "content-type": true, "date": true,
	"e-tag": true, "etag": true, "expires": true, "last-modified": true, "location": true, "refresh": true, "server": true, "www-authenticate": true,
}

// changeResponse changes the answer, or else what t answers.
func (e *exchange) changeResponse(t *target, changes ...HeaderChange) {
	for i, c := range changes {
		if c.Action == Add && singleHeaders[asciiLower(c.Name)] {
			changes[i].Action = Set
		}
	}
	if e.answer == nil {
		t.ResponseChanges = append(t.ResponseChanges, changes...)
		return
	}
	e.answer.change(changes)
}

func (r *Response) change(changes []HeaderChange) {
	if r.Header == nil {
		r.Header = http.Header{}
	}
	for _, c := range changes {
		switch c.Action {
		case Set:
			r.Header.Set(c.Name, c.Value)
		case Add:
			r.Header.Add(c.Name, c.Value)
		case Remove:
			r.Header.Del(c.Name)
		}
	}
}

// responses calls f for everything that may come back: for the answer with a target that says what the request was, or for
// every target.
func (e *exchange) responses(f func(*target)) {
	switch {
	case e.answer == nil:
		for _, t := range e.targets {
			f(t)
		}
	case len(e.targets) > 0:
		f(e.targets[0])
	default:
		f(e.newTarget("", 1))
	}
}
