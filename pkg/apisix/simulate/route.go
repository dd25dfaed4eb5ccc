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
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// routeJSON is a route as APISIX reads it.
type routeJSON struct {
	about
	URI             string                     `json:"uri"`
	URIs            []string                   `json:"uris"`
	Host            string                     `json:"host"`
	Hosts           []string                   `json:"hosts"`
	Methods         []string                   `json:"methods"`
	Priority        int                        `json:"priority"`
	Vars            []json.RawMessage          `json:"vars"`
	Plugins         map[string]json.RawMessage `json:"plugins"`
	PluginConfigID  id                         `json:"plugin_config_id"`
	ServiceID       id                         `json:"service_id"`
	UpstreamID      id                         `json:"upstream_id"`
	Upstream        json.RawMessage            `json:"upstream"`
	Timeout         *timeoutJSON               `json:"timeout"`
	EnableWebsocket *bool                      `json:"enable_websocket"`
	Status          *int                       `json:"status"`
}

// route is one that can be played.
type route struct {
	id       string
	paths    []string
	hosts    []string
	methods  []string
	priority int
	vars     expr
	off      bool

	action
	pluginConfig, service string
}

// action is what a route and a service may both say about a request.
type action struct {
	plugins    plugins
	upstreamID string
	// upstream is one without an id of its own.
	upstream  *Upstream
	timeout   *Timeout
	websocket *bool
}

func parseRoute(res Resource) (*route, error) {
	var in routeJSON
	if err := decode(res.JSON, &in); err != nil {
		return nil, err
	}
	if err := in.check(res); err != nil {
		return nil, err
	}
	r := &route{
		id: res.ID, paths: in.URIs, hosts: in.Hosts, methods: in.Methods, priority: in.Priority,
		pluginConfig: string(in.PluginConfigID), service: string(in.ServiceID), off: in.Status != nil && *in.Status == 0,
	}
	if in.URI != "" {
		r.paths = append(slices.Clip(r.paths), in.URI)
	}
	if len(r.paths) == 0 || in.URI != "" && len(in.URIs) > 0 {
		return nil, errors.New("it needs one of uri and uris")
	}
	if in.Host != "" {
		r.hosts = append(slices.Clip(r.hosts), in.Host)
	}
	if len(r.hosts) > 1 && in.Host != "" || in.Hosts != nil && len(in.Hosts) == 0 {
		return nil, errors.New("it needs one of host and hosts, or none")
	}
	r.hosts = slices.Clone(r.hosts)
	for i, h := range r.hosts {
		if !apisix.ValidHost(h) {
			return nil, fmt.Errorf("APISIX does not take the host %q", h)
		}
		r.hosts[i] = asciiLower(h)
	}
	var err error
	if r.vars, err = parseVars(in.Vars); err != nil {
		return nil, err
	}
	r.action, err = parseAction(in.Plugins, in.UpstreamID, in.Upstream, in.Timeout, in.EnableWebsocket)
	return r, err
}

func parseAction(p map[string]json.RawMessage, up id, inline json.RawMessage, t *timeoutJSON, ws *bool) (action, error) {
	a := action{upstreamID: string(up), timeout: t.timeout(), websocket: ws}
	var err error
	if len(inline) > 0 {
		if a.upstream, err = parseUpstreamJSON(inline); err != nil {
			return a, fmt.Errorf("upstream: %w", err)
		}
	}
	a.plugins, err = parsePlugins(p)
	return a, err
}

// serviceJSON is a service as APISIX reads it.
type serviceJSON struct {
	about
	Hosts           []string                   `json:"hosts"`
	Plugins         map[string]json.RawMessage `json:"plugins"`
	UpstreamID      id                         `json:"upstream_id"`
	Upstream        json.RawMessage            `json:"upstream"`
	EnableWebsocket *bool                      `json:"enable_websocket"`
}

type service struct {
	hosts []string
	action
}

func parseService(res Resource) (*service, error) {
	var in serviceJSON
	if err := decode(res.JSON, &in); err != nil {
		return nil, err
	}
	if err := in.check(res); err != nil {
		return nil, err
	}
	s := &service{hosts: slices.Clone(in.Hosts)}
	for i, h := range s.hosts {
		if !apisix.ValidHost(h) {
			return nil, fmt.Errorf("APISIX does not take the host %q", h)
		}
		s.hosts[i] = asciiLower(h)
	}
	var err error
	s.action, err = parseAction(in.Plugins, in.UpstreamID, in.Upstream, nil, in.EnableWebsocket)
	return s, err
}

func parsePluginConfig(res Resource) (plugins, error) {
	var in struct {
		about
		Plugins map[string]json.RawMessage `json:"plugins"`
	}
	if err := decode(res.JSON, &in); err != nil {
		return nil, err
	}
	if err := in.check(res); err != nil {
		return nil, err
	}
	return parsePlugins(in.Plugins)
}
