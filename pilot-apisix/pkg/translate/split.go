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
	"cmp"
	"slices"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// destinations sends route to the first destination, and returns the plugin that shares requests among several.
func (t *translator) destinations(route *apisix.Route, r *ir.Route) apisix.Plugin {
	route.UpstreamID = t.upstreamOf(r.Destinations[0]).ID
	if len(r.Destinations) == 1 {
		return nil
	}
	split := &apisix.TrafficSplit{Upstreams: make([]apisix.WeightedUpstream, 0, len(r.Destinations))}
	for _, d := range r.Destinations {
		split.Upstreams = append(split.Upstreams, apisix.WeightedUpstream{
			UpstreamID: t.upstreamOf(d).ID, Weight: int(d.Weight),
		})
	}
	return split
}

// upstreamOf is the resource of a destination's cluster; every destination has one.
func (t *translator) upstreamOf(d ir.Destination) *Resource {
	return t.out.upstreams[t.clusterOf(d)]
}

// clusterOf is the position of a destination's cluster.
func (t *translator) clusterOf(d ir.Destination) int {
	i, _ := slices.BinarySearchFunc(t.cfg.Clusters, d.Cluster, func(c *ir.Cluster, name string) int { return cmp.Compare(c.Name, name) })
	return i
}
