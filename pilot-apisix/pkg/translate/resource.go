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

package translate

import (
	"slices"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// Resource is one APISIX resource, ready to travel. It is immutable and shared: as long as its meaning does not change,
// consecutive outputs carry the same pointer.
type Resource struct {
	Kind apisix.Kind
	ID   string
	// JSON is the APISIX object in canonical form.
	JSON []byte
	// Sources are the objects it was made from, the most specific one first.
	Sources []ir.Source
}

// Name is the resource's name in xDS.
func (r *Resource) Name() string {
	return apisix.Name(r.Kind, r.ID)
}

// Output is all that a view of proxies must have.
type Output struct {
	// Resources are sorted by kind in dependency order (apisix.Kinds), then by id.
	Resources []*Resource
	// Diagnostics are in the order of the configuration, without repetitions.
	Diagnostics []ir.Diagnostic

	// What it was made from, to take over what is still true.
	config *ir.Config
	// upstreams are parallel to config.Clusters.
	upstreams []*Resource
	// routes says what came up while routes were translated.
	routes []ir.Diagnostic
}

// Config is the configuration that the output was made from.
func (o *Output) Config() *ir.Config {
	if o == nil {
		return nil
	}
	return o.config
}

// Plugins are the names of all plugins that routes may use, sorted: those that a proxy's APISIX has to load.
func Plugins() []string {
	return pluginNames(
		(*apisix.MeshCORS)(nil), (*apisix.MeshDirectResponse)(nil), (*apisix.MeshFault)(nil), (*apisix.MeshHash)(nil),
		(*apisix.MeshHeaders)(nil), (*apisix.MeshListeners)(nil), (*apisix.MeshMirror)(nil), (*apisix.MeshOriginalDst)(nil),
		(*apisix.MeshPeer)(nil), (*apisix.MeshRBAC)(nil), (*apisix.MeshRedirect)(nil),
		(*apisix.MeshRetry)(nil), (*apisix.MeshRewrite)(nil), (*apisix.MeshSplit)(nil), (*apisix.TrafficSplit)(nil),
	)
}

// StreamPlugins are those that stream routes may use.
func StreamPlugins() []string {
	return pluginNames((*apisix.MeshOriginalDst)(nil), (*apisix.MeshPeer)(nil), (*apisix.MeshRBAC)(nil), (*apisix.MeshSplit)(nil), (*apisix.TrafficSplit)(nil))
}

func pluginNames(list ...apisix.Plugin) []string {
	names := make([]string, 0, len(list))
	for _, p := range list {
		names = append(names, p.PluginName())
	}
	slices.Sort(names)
	return names
}
