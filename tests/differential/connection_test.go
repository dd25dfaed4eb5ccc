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
	"errors"
	"fmt"
	"net/netip"
	"slices"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	tcpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"

	"istio.io/istio/pilot/pkg/networking/util"
	"istio.io/istio/pilot/pkg/simulation"
	"istio.io/istio/pilot/pkg/util/protoconv"
	"istio.io/istio/pkg/test"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/simulate"
)

// transport is what a client speaks.
type transport string

const (
	overHTTP transport = ""
	overTCP  transport = "TCP"
	overTLS  transport = "TLS"
)

// connection is the call for APISIX's stream routes.
func (c *call) connection() simulate.Connection {
	return simulate.Connection{
		Inbound: c.inbound, Destination: netip.AddrPortFrom(netip.MustParseAddr(c.address), uint16(c.port)), Captured: true, SNI: c.sni,
	}
}

// singleClusters puts a cluster of its own in the place of each set of weighted ones, since Istio's simulation tells only one.
// The result has what they stand for.
func singleClusters(t test.Failer, listeners []*listenerv3.Listener) map[string]*tcpv3.TcpProxy_WeightedCluster {
	out := map[string]*tcpv3.TcpProxy_WeightedCluster{}
	for _, l := range listeners {
		for _, chain := range append(slices.Clone(l.FilterChains), l.DefaultFilterChain) {
			for _, f := range chain.GetFilters() {
				proxy := &tcpv3.TcpProxy{}
				if !f.GetTypedConfig().MessageIs(proxy) {
					continue
				}
				if err := f.GetTypedConfig().UnmarshalTo(proxy); err != nil {
					t.Fatal(err)
				}
				if w := proxy.GetWeightedClusters(); w != nil {
					name := fmt.Sprintf("weighted %d", len(out))
					out[name] = w
					proxy.ClusterSpecifier = &tcpv3.TcpProxy_Cluster{Cluster: name}
					f.ConfigType = &listenerv3.Filter_TypedConfig{TypedConfig: protoconv.MessageToAny(proxy)}
				}
			}
		}
	}
	return out
}

// envoyConnection is what Envoy does with a connection, or with HTTP that nothing looks into.
func (x *sides) envoyConnection(res simulation.Result) *answer {
	if errors.Is(res.Error, simulation.ErrMultipleFilterChain) {
		// It does not take two filter chains with the same match.
		return newAnswer(refused)
	}
	a := newAnswer(tcp)
	add := func(cluster string, weight float64) {
		to := share{cluster: cluster, weight: weight, endpoints: x.envoyEndpoints(cluster), played: true}
		to.policy = x.envoyPolicy(cluster)
		a.share = append(a.share, to)
	}
	switch w := x.weighted[res.ClusterMatched]; {
	case w != nil:
		for _, c := range w.Clusters {
			add(c.Name, float64(c.Weight))
		}
	case res.ClusterMatched == "" || res.ClusterMatched == util.BlackHoleCluster:
		a = newAnswer(closed)
	default:
		add(res.ClusterMatched, 1)
	}
	a.where = "listener " + res.ListenerMatched + ", filter chain " + res.FilterChainMatched
	if res.Error != nil {
		a.where += ": " + res.Error.Error()
	}
	return a
}

// speaksHTTP says whether the call goes to the routes for HTTP.
func (c *call) speaksHTTP(res *simulate.ConnectionResult) bool {
	return c.transport == overHTTP && res.HTTP != ""
}

// connection is what APISIX does with a connection, or with HTTP that nothing looks into.
func (p *player) connection(c *call, res *simulate.ConnectionResult) *answer {
	a := newAnswer(tcp)
	if len(res.Destinations) == 0 || res.HTTP == apisix.HTTPOnly {
		// To the listener for HTTP, what is something else is an error.
		a = newAnswer(closed)
	} else {
		for _, d := range res.Destinations {
			to := share{cluster: p.cluster(d.UpstreamID), weight: float64(d.Weight), endpoints: p.endpoints(d.UpstreamID), played: !d.Closed}
			to.policy = p.policies[d.UpstreamID]
			a.share = append(a.share, to)
		}
	}
	a.where = "stream route " + res.Route
	if o := p.objects[res.Route]; o != "" {
		a.objects = []string{o}
	}
	return a
}

// forwarded is what is compared of an answer to a request for the workload: nothing is done to those that pass.
func forwarded(a *answer) *answer {
	if a.aspects[outcome] != forward {
		return a
	}
	out := newAnswer(tcp)
	out.where, out.objects = a.where, a.objects
	for _, s := range a.share {
		out.share = append(out.share, share{cluster: s.cluster, weight: s.weight, endpoints: s.endpoints, policy: s.policy, played: true})
	}
	return out
}
