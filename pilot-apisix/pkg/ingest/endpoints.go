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

package ingest

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"istio.io/istio/pilot/pkg/features"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/config/labels"
	netutil "istio.io/istio/pkg/util/net"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// shard is what one registry knows of a service's endpoints. Registries replace the slice and never write into it, so that
// its identity stands for its content.
type shard struct {
	key       model.ShardKey
	endpoints []*model.IstioEndpoint
}

// shards are sorted by registry and cluster.
type shards []shard

func (s shards) equal(o shards) bool {
	return slices.EqualFunc(s, o, func(a, b shard) bool {
		return a.key == b.key && len(a.endpoints) == len(b.endpoints) &&
			(len(a.endpoints) == 0 || &a.endpoints[0] == &b.endpoints[0])
	})
}

func (s shards) clone() shards { return slices.Clone(s) }

// shardsReader reads shards into a buffer of its own.
type shardsReader struct{ buf shards }

// read returns the shards of svc; they are valid until the next call.
func (r *shardsReader) read(index *model.EndpointIndex, svc *model.Service) shards {
	r.buf = r.buf[:0]
	if svc == nil {
		return nil
	}
	all, ok := index.ShardsForService(string(svc.Hostname), svc.Attributes.Namespace)
	if !ok {
		return nil
	}
	all.RLock()
	for key, endpoints := range all.Shards {
		r.buf = append(r.buf, shard{key: key, endpoints: endpoints})
	}
	all.RUnlock()
	if len(r.buf) > 1 {
		slices.SortFunc(r.buf, func(a, b shard) int {
			return cmp.Or(cmp.Compare(a.key.Provider, b.key.Provider), cmp.Compare(a.key.Cluster, b.key.Cluster))
		})
	}
	return r.buf
}

// endpoints adds the endpoints of the cluster that the proxy may reach (pilot/pkg/xds/endpoints).
func (b *clusterBuilder) endpoints(port *model.Port, subset labels.Instance) {
	svc := b.inputs.service
	if b.refuse {
		return
	}
	if svc.Resolution == model.DynamicDNS && svc.Hostname.IsWildCarded() {
		// There is nothing to balance, and nowhere else to go.
		b.cluster.DynamicDNS, b.cluster.OriginalDst, b.cluster.LB = true, false, ir.LoadBalancer{Policy: ir.LeastRequest}
		b.dnsRefresh()
		return
	}
	f := endpointFilter{clusterBuilder: b, view: b.in.Proxy.GetView()}
	rank := b.locality()
	f.keep, f.keepLocality, f.scale = rank != nil, rank != nil, 1
	if n := b.inputs.networks; n != nil {
		f.scale = max(int(n.GetLBWeightScaleFactor()), 1)
	}
	if isDNS(svc) {
		b.cluster.DNSOne = svc.Resolution == model.DNSRoundRobinLB ||
			svc.Attributes.K8sAttributes.DNSConnectStrategy == model.DNSConnectStrategyRaceFirstTCPConnect
		b.dnsRefresh()
		f.add(b.in.Push.ServiceEndpointsByPort(svc, port.Port, subset))
	} else {
		f.port, f.subset, f.addressesOnly = port.Name, subset, true
		for _, s := range b.inputs.shards {
			if s.key.Cluster != b.in.Proxy.Metadata.ClusterID && (b.inputs.clusterLocal || svc.Attributes.NodeLocal) {
				continue
			}
			f.add(s.endpoints)
		}
	}
	f.addRemotes()
	f.nameRemotes()
	f.secure()
	if rank != nil {
		b.cluster.Endpoints, b.cluster.LB.LocalityWeighted = rank.apply(b.in.Proxy, b.cluster.Endpoints, f.originals)
	}
	b.cluster.Endpoints = canonical(b.cluster.Endpoints)
	if f.unix {
		b.diagnose(fidelity.UnixEndpoint, serviceSource(svc), "")
	}
}

// defaultDNSRefresh is Istio's.
const defaultDNSRefresh = time.Minute

func (b *clusterBuilder) dnsRefresh() {
	if d := b.inputs.mesh.GetDnsRefreshRate(); d != nil && d.AsDuration() != defaultDNSRefresh {
		b.cluster.DNSRefresh = d.AsDuration()
	}
}

// canonical puts endpoints into an order of their own, since registries list them in any, and takes an address that is there
// twice once, as Envoy does.
func canonical(list []ir.Endpoint) []ir.Endpoint {
	slices.SortFunc(list, func(a, b ir.Endpoint) int {
		return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Weight, b.Weight))
	})
	return slices.CompactFunc(list, func(a, b ir.Endpoint) bool { return a.Address == b.Address && a.Port == b.Port && a.Path == b.Path })
}

// endpointFilter takes the endpoints that Envoy would be given, one by one.
type endpointFilter struct {
	*clusterBuilder
	view model.ProxyView
	// port and subset select endpoints; an empty port takes all.
	port   string
	subset labels.Instance
	// addressesOnly leaves DNS names out, as EDS does.
	addressesOnly bool
	// keep says that also those count which are known to be unhealthy.
	keep bool
	// originals are parallel to the cluster's endpoints.
	originals []*model.IstioEndpoint
	// keepLocality says that endpoints are ranked by it.
	keepLocality bool
	// scale is what weights are multiplied by, so that they can be shared among gateways.
	scale int
	// remotes are the gateways in the place of endpoints of other networks.
	remotes map[remoteKey]*remoteGateway
	// unix tells what was met.
	unix bool
}

func (f *endpointFilter) add(list []*model.IstioEndpoint) {
	c := f.cluster
	if c.Endpoints == nil {
		c.Endpoints = make([]ir.Endpoint, 0, len(list))
	}
	for _, ep := range list {
		if f.port != "" && ep.ServicePortName != f.port || !f.subset.SubsetOf(ep.Labels) || !f.reachable(ep) {
			continue
		}
		weight := f.scale * int(ep.GetLoadBalancingWeight())
		if f.remote(ep, weight) {
			continue
		}
		to := ir.Endpoint{
			Address: ep.FirstAddressOrNil(), Port: int(ep.EndpointPort), Weight: weight, Unhealthy: ep.HealthStatus == model.UnHealthy,
		}
		switch {
		case to.Address == "":
			continue
		case to.Port == 0:
			if !reachablePath(to.Address) {
				f.unix = true
				continue
			}
			to.Address, to.Path = "", to.Address
		case f.addressesOnly && !netutil.IsValidIPAddress(to.Address):
			continue
		}
		c.Endpoints = append(c.Endpoints, to)
		f.originals = append(f.originals, ep)
	}
}

// reachable is the filter of EndpointBuilder, with healthy endpoints only: APISIX has no notion of an unhealthy node that
// is there for others to fall back on.
func (f *endpointFilter) reachable(ep *model.IstioEndpoint) bool {
	svc, proxy := f.inputs.service, f.in.Proxy
	if svc.Attributes.NodeLocal && ep.NodeName != proxy.GetNodeName() {
		return false
	}
	if !f.view.IsVisible(ep) || !ep.IsDiscoverableFromProxy(proxy) {
		return false
	}
	if f.inputs.clusterLocal && proxy.Metadata.ClusterID != ep.Locality.ClusterID {
		return false
	}
	draining := ep.HealthStatus == model.Draining || features.DrainingLabel != "" && ep.Labels[features.DrainingLabel] != ""
	if draining && svc.Attributes.Labels[features.PersistentSessionLabel] != "" {
		return true
	}
	if ep.HealthStatus == model.UnHealthy && !f.sendUnhealthy() {
		return false
	}
	// Endpoints of a ServiceEntry have no health status at all.
	return !draining && ep.HealthStatus != model.Terminating
}

// sendUnhealthy says that endpoints count which are known to be unhealthy (supportsUnhealthyEndpoints): the fewer of a priority
// are healthy, the more requests go to the next one. They get none themselves.
func (f *endpointFilter) sendUnhealthy() bool {
	if !f.keep {
		return false
	}
	svc := f.inputs.service
	return svc.ForcesSupportUnhealthyEndpoints() || svc.SupportsUnhealthyEndpoints() && f.policy.GetOutlierDetection().GetMinHealthPercent() <= 0
}

// mostPath is the longest path of a unix domain socket in bytes: sun_path of unix(7), without its last zero.
const mostPath = 107

// reachablePath says that nginx can connect to a unix domain socket: it knows no abstract ones, whose names begin with an @.
func reachablePath(path string) bool {
	return strings.HasPrefix(path, "/") && len(path) <= mostPath
}
