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
	"net/netip"
	"slices"

	"istio.io/istio/pilot/pkg/model"
	netutil "istio.io/istio/pkg/util/net"

	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// networkGateways are the gateways of networks for a service's endpoints; nil where there is one network.
func (b *builder) networkGateways(svc *model.Service) *model.NetworkGateways {
	manager := b.in.Push.NetworkManager()
	gateways := manager.NetworkGateways
	if isDNS(svc) {
		gateways = manager.Unresolved
	}
	if !gateways.IsMultiNetworkEnabled() {
		return nil
	}
	return gateways
}

// remoteKey is what endpoints of other networks become one endpoint by.
type remoteKey struct {
	gateway model.NetworkGateway
	// locality is empty where nothing is ranked by it.
	locality string
}

// remoteGateway is a gateway in the place of the endpoints of its network.
type remoteGateway struct {
	weight   int
	original model.IstioEndpoint
}

// remote says whether an endpoint is reached through gateways of its network, and counts it there (EndpointsByNetworkFilter). Those without mutual
// TLS are not reached: it is by the server name that a gateway knows where to.
func (f *endpointFilter) remote(ep *model.IstioEndpoint, weight int) bool {
	n := f.inputs.networks
	if n == nil {
		return false
	}
	list := n.GatewaysForNetworkAndCluster(ep.Network, ep.Locality.ClusterID)
	if len(list) == 0 {
		list = n.GatewaysForNetwork(ep.Network)
	}
	list = slices.DeleteFunc(slices.Clone(list), func(g model.NetworkGateway) bool { return g.Port == 0 })
	proxy := f.in.Proxy
	force := proxy.Metadata.Network == "" && ep.Network != "" && len(list) > 0
	if !force && (proxy.InNetwork(ep.Network) || len(list) == 0) {
		return false
	}
	list = slices.DeleteFunc(list, func(g model.NetworkGateway) bool { return !f.family(g.Addr) })
	if len(list) == 0 || ep.TLSMode != model.IstioMutualTLSModeLabel {
		return true
	}
	for _, gw := range list {
		key := remoteKey{gateway: gw}
		if f.keepLocality {
			key.locality = ep.Locality.Label
		}
		r := f.remotes[key]
		if r == nil {
			r = &remoteGateway{original: model.IstioEndpoint{
				Network: gw.Network, Locality: model.Locality{Label: ep.Locality.Label, ClusterID: gw.Cluster},
				TLSMode: model.IstioMutualTLSModeLabel, ServiceAccount: ep.ServiceAccount,
			}}
			if f.remotes == nil {
				f.remotes = map[remoteKey]*remoteGateway{}
			}
			f.remotes[key] = r
		}
		if r.original.ServiceAccount != ep.ServiceAccount {
			// Whoever answers behind the gateway, one name is expected there.
			r.original.ServiceAccount = ""
		}
		r.weight += weight / len(list)
	}
	return true
}

// family says that the proxy speaks that of an address (filterGatewaysByIPFamily).
func (f *endpointFilter) family(address string) bool {
	four, six := f.in.Proxy.SupportsIPv4(), f.in.Proxy.SupportsIPv6()
	if four == six {
		return true
	}
	ip, err := netip.ParseAddr(address)
	return err == nil && ip.Unmap().Is4() == four
}

// addRemotes adds the gateways for endpoints of other networks. They are asked for the service by the name that Envoy would send.
func (f *endpointFilter) addRemotes() {
	keys := make([]remoteKey, 0, len(f.remotes))
	for key := range f.remotes {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b remoteKey) int {
		return cmp.Or(cmp.Compare(a.gateway.Addr, b.gateway.Addr), cmp.Compare(a.gateway.Port, b.gateway.Port),
			cmp.Compare(a.gateway.Cluster, b.gateway.Cluster), cmp.Compare(a.locality, b.locality))
	})
	c := f.cluster
	for _, key := range keys {
		if f.addressesOnly && !netutil.IsValidIPAddress(key.gateway.Addr) {
			continue
		}
		r := f.remotes[key]
		c.Endpoints = append(c.Endpoints, ir.Endpoint{Address: key.gateway.Addr, Port: int(key.gateway.Port), Weight: max(r.weight, 1)})
		f.originals = append(f.originals, &r.original)
	}
}

// nameRemotes gives connections the server name by which gateways between networks know where they go.
func (f *endpointFilter) nameRemotes() {
	if c := f.cluster; len(f.remotes) > 0 && c.TLS != nil && c.TLS.Mode == ir.IstioMutual && c.TLS.SNI == "" {
		tls := *c.TLS
		tls.SNI = model.BuildDNSSrvSubsetKey(model.TrafficDirectionOutbound, f.inputs.key.subset, f.inputs.key.host, f.inputs.key.port)
		c.TLS = &tls
	}
}

// isRemote says that an endpoint stands for a gateway.
func (f *endpointFilter) isRemote(ep *model.IstioEndpoint) bool {
	for _, r := range f.remotes {
		if ep == &r.original {
			return true
		}
	}
	return false
}
