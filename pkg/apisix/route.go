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

package apisix

// Route is an object of /apisix/routes. Its fields are APISIX's of the same name.
type Route struct {
	ID string
	// Name is for people.
	Name string
	// Hosts are exact or start with "*"; none means any host.
	Hosts []string
	// URI is a path, or a prefix when it ends with "*".
	URI string
	// Vars must all hold.
	Vars []Expr
	// Priority decides between routes of the same host and URI: the higher one is tried first.
	Priority int
	// Plugins must be sorted by their names.
	Plugins []Plugin
	// UpstreamID is where the request goes unless a plugin answers it or sends it elsewhere.
	UpstreamID string
	// EnableWebsocket lets a request upgrade its connection.
	EnableWebsocket bool
}

// Plugin is the configuration of one plugin of a route.
type Plugin interface {
	// PluginName is the name under which APISIX knows the plugin.
	PluginName() string
	// AppendJSON appends the configuration in canonical form.
	AppendJSON(b []byte) []byte
}

// plugins writes the configurations of plugins; nothing for none.
func (o *object) plugins(list []Plugin) {
	if len(list) == 0 {
		return
	}
	o.key("plugins")
	p := beginObject(o.b)
	for _, plugin := range list {
		p.key(plugin.PluginName())
		p.b = plugin.AppendJSON(p.b)
	}
	o.b = p.end()
}

// AppendJSON appends r in canonical form.
func (r *Route) AppendJSON(b []byte) []byte {
	o := beginObject(b)
	o.bool("enable_websocket", r.EnableWebsocket)
	if len(r.Hosts) > 0 {
		o.key("hosts")
		o.b = AppendStrings(o.b, r.Hosts)
	}
	o.string("id", r.ID)
	o.string("name", r.Name)
	o.plugins(r.Plugins)
	if r.Priority != 0 {
		o.int("priority", r.Priority)
	}
	o.string("upstream_id", r.UpstreamID)
	o.string("uri", r.URI)
	if len(r.Vars) > 0 {
		o.key("vars")
		o.b = appendExprs(o.b, r.Vars)
	}
	return o.end()
}
