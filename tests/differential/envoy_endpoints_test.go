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

package differential

import (
	"fmt"
	"slices"
	"strings"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"

	"istio.io/istio/pilot/pkg/networking/util"
	xdsendpoints "istio.io/istio/pilot/pkg/xds/endpoints"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// originalDestination stands for the endpoints of a cluster that has none of its own.
const originalDestination = "the original destination"

// namedHost stands for the endpoint of a cluster that goes by the host of a request.
const namedHost = "the host that it names"

// envoyEndpoints are those that Envoy would choose from: from the cluster itself, or by EDS.
func (x *sides) envoyEndpoints(cluster string) string {
	if x.clusters == nil {
		x.clusters = map[string]*clusterv3.Cluster{}
		for _, c := range x.env.Clusters(x.proxy) {
			x.clusters[c.Name] = c
		}
	}
	c := x.clusters[cluster]
	if c == nil {
		return ""
	}
	if c.GetClusterType().GetName() == "envoy.clusters.dynamic_forward_proxy" {
		return namedHost
	}
	assignment := c.LoadAssignment
	switch c.GetType() {
	case clusterv3.Cluster_ORIGINAL_DST:
		return originalDestination
	case clusterv3.Cluster_EDS:
		b := xdsendpoints.NewEndpointBuilder(cluster, x.proxy, x.env.PushContext())
		assignment = b.BuildClusterLoadAssignment(x.env.Env().EndpointIndex)
	}
	return endpointsText(assignment, c.GetCommonLbConfig().GetLocalityWeightedLbConfig() != nil && severalLocalities(assignment))
}

// severalLocalities says that within some priority there are several among which weights decide.
func severalLocalities(a *endpointv3.ClusterLoadAssignment) bool {
	n := map[uint32]int{}
	for _, l := range a.GetEndpoints() {
		if len(l.LbEndpoints) > 0 {
			n[l.Priority]++
		}
	}
	for _, n := range n {
		if n > 1 {
			return true
		}
	}
	return false
}

func endpointsText(a *endpointv3.ClusterLoadAssignment, weighted bool) string {
	var out []string
	for _, l := range a.GetEndpoints() {
		place := apisix.NodeMetadata{Priority: int(l.Priority)}
		if weighted {
			place.Locality, place.LocalityWeight = util.LocalityToString(l.Locality), int(l.GetLoadBalancingWeight().GetValue())
		}
		for _, e := range l.LbEndpoints {
			socket := e.GetEndpoint().GetAddress().GetSocketAddress()
			host := socket.GetAddress()
			if pipe := e.GetEndpoint().GetAddress().GetPipe(); pipe != nil {
				host = "unix:" + pipe.Path
			}
			weight := 1
			if e.LoadBalancingWeight != nil {
				weight = int(e.LoadBalancingWeight.Value)
			}
			out = append(out, endpointText(host, int(socket.GetPortValue()), weight, place))
		}
	}
	slices.Sort(out)
	// An address that is there twice counts once.
	out = slices.CompactFunc(out, func(a, b string) bool {
		addressA, _, _ := strings.Cut(a, "*")
		addressB, _, _ := strings.Cut(b, "*")
		return addressA == addressB
	})
	return strings.Join(out, " ")
}

func endpointText(host string, port, weight int, place apisix.NodeMetadata) string {
	text := fmt.Sprintf("%s:%d*%d", strings.Trim(host, "[]"), port, weight)
	if place != (apisix.NodeMetadata{}) {
		text += fmt.Sprintf("@%d/%s*%d", place.Priority, place.Locality, place.LocalityWeight)
	}
	return text
}
