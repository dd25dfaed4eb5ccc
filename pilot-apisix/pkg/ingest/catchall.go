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
	"net/http"

	"istio.io/istio/pilot/pkg/networking/util"
	"istio.io/istio/pkg/config/host"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// catchAll is what happens to requests for nobody in the mesh (buildCatchAllVirtualHost): they go where they were sent, or to
// the egress proxy, or nowhere.
func (b *builder) catchAll(src ir.Source) *ir.Route {
	policy := b.scope.OutboundTrafficPolicy
	to := func(cluster string, retries *ir.Retries) *ir.Route {
		return &ir.Route{Name: util.Passthrough, Destinations: []ir.Destination{{Cluster: cluster}}, Retries: retries, Source: src}
	}
	switch {
	case util.IsAllowAnyOutbound(b.in.Proxy) && policy.EgressProxy != nil:
		p := policy.EgressProxy
		key := clusterKey{host: host.Name(p.Host), port: int(p.GetPort().GetNumber()), subset: p.Subset}
		return to(b.want(key), &ir.Retries{})
	case util.IsAllowAnyDynamicDNSOutbound(b.in.Proxy):
		if b.in.Push.Mesh.GetOutboundTrafficPolicy().GetTls() != nil {
			b.diagnose(fidelity.AllowAnyDynamicDNS.At(src.At("tls"), ""))
			return &ir.Route{Name: util.AllowAnyDynamicDNS, DirectResponse: &ir.DirectResponse{Status: http.StatusServiceUnavailable}, Source: src}
		}
		route := to(b.want(anyHost), &ir.Retries{})
		route.Name = util.AllowAnyDynamicDNS
		return route
	case util.IsAllowAnyOutbound(b.in.Proxy):
		// There is one address only, and no other to try.
		return to(b.want(passthrough), nil)
	default:
		return &ir.Route{Name: util.BlackHole, DirectResponse: &ir.DirectResponse{Status: http.StatusBadGateway}, Source: src}
	}
}
