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
	"maps"
	"slices"
	"strings"

	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/pkg/networking/util"
	"istio.io/istio/pkg/cluster"
	"istio.io/istio/pkg/network"
)

// Key tells which proxies get the same configuration: Build reads nothing of a proxy that is not in its key.
type Key struct {
	NodeType  model.NodeType
	Scope     string
	ScopeNS   string
	Namespace string
	DNSDomain string
	// Labels select DestinationRules and match sourceLabels; name=value, sorted.
	Labels    string
	ClusterID cluster.ID
	Network   network.ID
	// NetworkView limits the networks whose endpoints are visible.
	NetworkView string
	IPMode      model.IPMode
	// AutoIP says that the proxy uses automatically allocated addresses of services.
	AutoIP bool
	// Inbound are the ports of the workload, with all that its routes read of them.
	Inbound string
	// Locality is what endpoints are ranked by.
	Locality string
	// Gateway is set only for routers.
	Gateway string
	// Node is set only when a service of the scope is limited to the proxy's node.
	Node string
}

// KeyOf makes the key of a proxy whose SidecarScope is set.
func KeyOf(proxy *model.Proxy) Key {
	k := Key{
		NodeType:    proxy.Type,
		Scope:       proxy.SidecarScope.Name,
		ScopeNS:     proxy.SidecarScope.Namespace,
		Namespace:   proxy.ConfigNamespace + "/" + proxy.Metadata.Namespace,
		DNSDomain:   proxy.DNSDomain,
		Labels:      labelsKey(proxy.Labels),
		ClusterID:   proxy.Metadata.ClusterID,
		Network:     proxy.Metadata.Network,
		NetworkView: proxy.GetView().String(),
		IPMode:      proxy.GetIPMode(),
		Inbound:     inboundKey(proxy),
		Gateway:     gatewayKey(proxy),
		Locality:    util.LocalityToString(proxy.Locality),
		AutoIP:      bool(proxy.Metadata.DNSCapture) || bool(proxy.Metadata.DNSAutoAllocate),
	}
	for _, svc := range proxy.SidecarScope.Services() {
		if svc.Attributes.NodeLocal {
			k.Node = proxy.GetNodeName()
			break
		}
	}
	return k
}

func labelsKey(labels map[string]string) string {
	names := slices.Sorted(maps.Keys(labels))
	var b strings.Builder
	for _, n := range names {
		b.WriteString(n)
		b.WriteByte('=')
		b.WriteString(labels[n])
		b.WriteByte(',')
	}
	return b.String()
}
