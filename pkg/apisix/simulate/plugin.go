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
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
)

// plugin is the configuration of one plugin. Its phases are those of APISIX; a phase that answers the request ends it.
type plugin interface {
	rewrite(*exchange)
	access(*exchange)
	beforeProxy(*exchange)
	headerFilter(*exchange)
}

// nothing is a plugin without phases; the others embed it.
type nothing struct{}

func (nothing) rewrite(*exchange)      {}
func (nothing) access(*exchange)       {}
func (nothing) beforeProxy(*exchange)  {}
func (nothing) headerFilter(*exchange) {}

// unknown is a plugin that cannot be played.
type unknown struct {
	nothing
	name string
}

func (u unknown) rewrite(e *exchange) { e.notSimulated("plugin " + u.name) }

// kinds are the plugins that can be played, in the order in which APISIX runs them: by falling priority.
var kinds = []struct {
	name  string
	parse func(json.RawMessage) (plugin, error)
}{
	{"mesh-peer", parsePeer},                 // 30000
	{"mesh-rbac", parseRBAC},                 // 29900
	{"fault-injection", parseFaultInjection}, // 11000
	{"mesh-fault", parseFault},               // 4010
	{"mesh-cors", parseCORS},                 // 3990
	{"traffic-split", parseTrafficSplit},     // 966
	{"mesh-redirect", parseRedirect},         // 60
	{"mesh-direct-response", parseDirect},    // 50
	{"mesh-split", parseSplit},               // 40
	{"mesh-hash", parseHash},                 // 36
	{"mesh-original-dst", parseOriginalDst},  // 35
	{"mesh-rewrite", parseRewrite},           // 30
	{"mesh-headers", parseHeaders},           // 20
	{"mesh-mirror", parseMirror},             // 10
	{"mesh-retry", parseRetry},               // -9000
}

// plugins are the plugins of an object, by their names. A disabled one is there, and does nothing.
type plugins map[string]plugin

func parsePlugins(in map[string]json.RawMessage) (plugins, error) {
	out := make(plugins, len(in))
	for name, raw := range in {
		p, err := parsePlugin(name, raw)
		if err != nil {
			return nil, fmt.Errorf("plugin %s: %w", name, err)
		}
		out[name] = p
	}
	return out, nil
}

func parsePlugin(name string, raw json.RawMessage) (plugin, error) {
	conf, disabled, err := withoutMeta(raw)
	if err != nil {
		return nil, err
	}
	if disabled {
		return nothing{}, nil
	}
	for _, k := range kinds {
		if k.name == name {
			return k.parse(conf)
		}
	}
	return unknown{name: name}, nil
}

// withoutMeta takes out "_meta", of which only "disable" is known here.
func withoutMeta(raw json.RawMessage) (json.RawMessage, bool, error) {
	var conf map[string]json.RawMessage
	if err := json.Unmarshal(raw, &conf); err != nil {
		return nil, false, err
	}
	if conf == nil {
		return nil, false, errors.New("the configuration is not an object")
	}
	raw, has := conf["_meta"]
	if !has {
		out, err := json.Marshal(conf)
		return out, false, err
	}
	var meta struct {
		Disable bool `json:"disable"`
	}
	if err := decode(raw, &meta); err != nil {
		return nil, false, fmt.Errorf("_meta: %w: %w", errNotSimulated, err)
	}
	delete(conf, "_meta")
	out, err := json.Marshal(conf)
	return out, meta.Disable, err
}

// each runs f for every plugin in APISIX's order.
func (p plugins) each(f func(plugin)) {
	for _, k := range kinds {
		if plugin := p[k.name]; plugin != nil {
			f(plugin)
		}
	}
	var rest []string
	for name, plugin := range p {
		if _, ok := plugin.(unknown); ok {
			rest = append(rest, name)
		}
	}
	sort.Strings(rest)
	for _, name := range rest {
		f(p[name])
	}
}

// mergePlugins is the union of the lists; the first that has a plugin wins.
func mergePlugins(lists ...plugins) plugins {
	out := plugins{}
	for _, list := range lists {
		for name, p := range list {
			if _, has := out[name]; !has {
				out[name] = p
			}
		}
	}
	return out
}

type globalRule struct {
	id      string
	plugins plugins
}

// mergeGlobalRules is the union of all global rules. APISIX drops a plugin that several of them have.
func mergeGlobalRules(rules []globalRule) plugins {
	out, count := plugins{}, map[string]int{}
	for _, r := range rules {
		for name, p := range r.plugins {
			count[name]++
			out[name] = p
		}
	}
	for name, n := range count {
		if n > 1 {
			delete(out, name)
		}
	}
	return out
}

// merge is the action of a request that r has taken, or the answer when what r refers to is not there: a route's plugins win
// against those of its plugin_config, and they against those of its service.
func (c *Config) merge(r *route) (action, *Response) {
	a := r.action
	if r.pluginConfig != "" {
		p, ok := c.pluginConfigs[r.pluginConfig]
		if !ok {
			return a, &Response{Status: 503}
		}
		a.plugins = mergePlugins(a.plugins, p)
	}
	if r.service == "" {
		return a, nil
	}
	s := c.services[r.service]
	if s == nil {
		return a, &Response{Status: 404}
	}
	a.plugins = mergePlugins(a.plugins, s.plugins)
	if a.upstream == nil && a.upstreamID == "" {
		a.upstream, a.upstreamID = s.upstream, s.upstreamID
	} else if a.upstream == nil {
		a.upstream = s.upstream
	}
	if a.websocket == nil {
		a.websocket = s.websocket
	}
	return a, nil
}

// decodeConf reads a plugin's configuration, and refuses fields that the plugin's schema does not have.
func decodeConf[T any](raw json.RawMessage) (T, error) {
	var conf T
	if bytes.Equal(bytes.TrimSpace(raw), []byte("null")) {
		return conf, errors.New("null")
	}
	return conf, decode(raw, &conf)
}

func (e *exchange) notSimulated(what string) {
	if !slices.Contains(e.result.NotSimulated, what) {
		e.result.NotSimulated = append(e.result.NotSimulated, what)
	}
}
