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

// destinations sends route to the first destination, and returns the plugin that shares requests among several or does to
// them what is special to one; nil when there is nothing to do.
func (t *translator) destinations(route *apisix.Route, r *ir.Route) apisix.Plugin {
	list := r.Destinations
	route.UpstreamID = t.upstreamOf(list[0].Cluster).ID
	plain := !slices.ContainsFunc(list, func(d ir.Destination) bool { return !d.Plain() || len(list) > 1 && t.cluster(d.Cluster).OriginalDst })
	switch {
	case plain && len(list) == 1:
		if o := originalDst(t.cluster(list[0].Cluster)); o != nil {
			return o
		}
		return nil
	case !plain || len(list) > apisix.MaxWeightedUpstreams:
		return t.meshSplit(r)
	}
	split := &apisix.TrafficSplit{Upstreams: make([]apisix.WeightedUpstream, 0, len(list))}
	for i := range list {
		split.Upstreams = append(split.Upstreams, apisix.WeightedUpstream{
			UpstreamID: t.upstreamOf(list[i].Cluster).ID, Weight: int(list[i].Weight),
		})
	}
	return split
}

// meshSplit shares requests where traffic-split cannot.
func (t *translator) meshSplit(r *ir.Route) apisix.Plugin {
	split := &apisix.MeshSplit{Destinations: make([]apisix.SplitDestination, 0, len(r.Destinations))}
	for i := range r.Destinations {
		d := &r.Destinations[i]
		split.Destinations = append(split.Destinations, apisix.SplitDestination{
			UpstreamID: t.upstreamOf(d.Cluster).ID, Weight: int(d.Weight), Authority: d.Authority,
			OriginalDst: originalDst(t.cluster(d.Cluster)),
			Request:     t.requestHeaders(&d.Headers, r), Response: t.responseHeaders(&d.Headers, r),
		})
	}
	return split
}

// originalDst is for clusters that mean the original destination, else nil.
func originalDst(c *ir.Cluster) *apisix.MeshOriginalDst {
	if !c.OriginalDst {
		return nil
	}
	return &apisix.MeshOriginalDst{Scheme: scheme(c), ConnectTimeout: seconds(c.ConnectTimeout)}
}

func (t *translator) cluster(name string) *ir.Cluster {
	return t.cfg.Clusters[t.clusterOf(name)]
}

// upstreamOf is the resource of a cluster; every destination and every mirror has one.
func (t *translator) upstreamOf(cluster string) *Resource {
	return t.out.upstreams[t.clusterOf(cluster)]
}

// clusterOf is the position of a cluster.
func (t *translator) clusterOf(cluster string) int {
	i, _ := slices.BinarySearchFunc(t.cfg.Clusters, cluster, func(c *ir.Cluster, name string) int { return cmp.Compare(c.Name, name) })
	return i
}
