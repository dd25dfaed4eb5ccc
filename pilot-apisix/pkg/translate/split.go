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
	"time"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// destinations is the upstream of the first destination, and the plugin that shares requests among several or does to them
// what is special to one; nil when there is nothing to do.
func (t *translator) destinations(r *ir.Route) (upstreamID string, plugin apisix.Plugin) {
	list := r.Destinations
	if first := slices.IndexFunc(list, func(d ir.Destination) bool { return d.Status == 0 }); first >= 0 {
		upstreamID = t.upstreamOf(list[first].Cluster).ID
	}
	if len(list) == 1 && list[0].Plain() {
		if o := originalDst(t.cluster(list[0].Cluster)); o != nil {
			return upstreamID, o
		}
		return upstreamID, nil
	}
	special := func(d ir.Destination) bool { return !d.Plain() || t.cluster(d.Cluster).OriginalDst }
	if len(list) > apisix.MaxWeightedUpstreams || slices.ContainsFunc(list, special) {
		return upstreamID, t.meshSplit(r)
	}
	split := &apisix.TrafficSplit{Upstreams: make([]apisix.WeightedUpstream, 0, len(list))}
	for i := range list {
		split.Upstreams = append(split.Upstreams, apisix.WeightedUpstream{
			UpstreamID: t.upstreamOf(list[i].Cluster).ID, Weight: int(list[i].Weight),
		})
	}
	return upstreamID, split
}

// meshSplit shares requests where traffic-split cannot.
func (t *translator) meshSplit(r *ir.Route) apisix.Plugin {
	split := &apisix.MeshSplit{Destinations: make([]apisix.SplitDestination, 0, len(r.Destinations))}
	for i := range r.Destinations {
		d := &r.Destinations[i]
		next := apisix.SplitDestination{Weight: int(d.Weight), Status: d.Status}
		if d.Status == 0 {
			next.UpstreamID, next.Authority = t.upstreamOf(d.Cluster).ID, d.Authority
			next.OriginalDst = originalDst(t.cluster(d.Cluster))
			next.Request, next.Response = t.requestHeaders(&d.Headers, r), t.responseHeaders(&d.Headers, r)
		}
		split.Destinations = append(split.Destinations, next)
	}
	return split
}

// originalDst is for clusters that mean the original destination, else nil.
func originalDst(c *ir.Cluster) *apisix.MeshOriginalDst {
	if !c.OriginalDst {
		return nil
	}
	out := &apisix.MeshOriginalDst{Scheme: scheme(c), ConnectTimeout: seconds(c.ConnectTimeout)}
	if c.TLS != nil {
		out.PeersOf = upstreamID(c)
	}
	if t := c.StreamIdleTimeout; t > 0 && t != time.Hour {
		out.IdleTimeout = seconds(t)
	}
	return out
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
