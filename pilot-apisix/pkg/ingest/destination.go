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
	"fmt"
	"net/http"
	"slices"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/config/host"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// destination is the only one of a rule, which gets everything whatever its weight. What it does to headers comes after what
// the rule does (processDestination).
func (r *routeBuilder) destination(route *ir.Route, d *networking.HTTPRouteDestination, src ir.Source) {
	src = r.destinationSource(src, 0)
	h, authority := r.headers(d.Headers, src.At("headers"))
	appendOperations(&route.Headers.Request, h.Request)
	appendOperations(&route.Headers.Response, h.Response)
	if route.Rewrite.Authority == "" {
		route.Rewrite.Authority = authority
	}
	to := r.to(d.GetDestination(), src.At("destination"))
	if to.Status != 0 {
		// Envoy's router gives this answer, after CORS and before it comes to the headers of responses.
		route.Headers.Response = ir.HeaderOperations{}
		if route.CORS == nil {
			route.DirectResponse = &ir.DirectResponse{Status: to.Status}
			return
		}
		to.Weight = 1
	}
	route.Destinations = []ir.Destination{to}
}

func appendOperations(to *ir.HeaderOperations, more ir.HeaderOperations) {
	to.Remove = append(to.Remove, more.Remove...)
	to.Values = append(to.Values, more.Values...)
}

// weightedDestinations share the requests; those of weight 0 get nothing (processWeightedDestination). What each does to
// headers comes before what the rule does. Plain ones that lead to the same cluster become one.
func (r *routeBuilder) weightedDestinations(route *ir.Route, list []*networking.HTTPRouteDestination, src ir.Source) {
	route.Destinations = make([]ir.Destination, 0, len(list))
	for i, d := range list {
		if d.Weight == 0 {
			continue
		}
		src := r.destinationSource(src, i)
		next := r.to(d.GetDestination(), src.At("destination"))
		next.Weight = uint32(d.Weight)
		next.Headers, next.Authority = r.headers(d.Headers, src.At("headers"))
		same := func(o ir.Destination) bool { return o.Cluster == next.Cluster && o.Plain() && next.Plain() }
		if j := slices.IndexFunc(route.Destinations, same); j >= 0 {
			route.Destinations[j].Weight += next.Weight
			continue
		}
		route.Destinations = append(route.Destinations, next)
	}
}

// to is where a destination leads. One that does not exist is answered with 503 by its empty cluster, and with 500 where
// the Gateway API says so.
func (r *routeBuilder) to(d *networking.Destination, at ir.Source) ir.Destination {
	key, exists := r.find(d, at, fidelity.UnknownDestination)
	if !exists && model.UseGatewaySemantics(*r.vs) {
		return ir.Destination{Status: http.StatusInternalServerError}
	}
	return ir.Destination{Cluster: r.want(key)}
}

// find names the cluster of a destination (GetDestinationCluster), and says with unknown when there is none. Like Istio it
// looks for the service among those of the port at hand: without a port of its own, a destination has that one.
func (r *routeBuilder) find(d *networking.Destination, at ir.Source, unknown *fidelity.Entry) (key clusterKey, exists bool) {
	key = clusterKey{host: host.Name(d.GetHost()), port: r.port, subset: d.GetSubset()}
	if n := d.GetPort().GetNumber(); n != 0 {
		key.port = int(n)
	}
	if svc := r.registry[key.host]; svc != nil {
		if d.GetPort().GetNumber() == 0 && len(svc.Ports) == 1 {
			// The port of a gateway need not be one of the service.
			key.port = svc.Ports[0].Port
		}
		if name := svc.Attributes.K8sAttributes.ExternalName; name != "" {
			key.host = host.Name(name)
		}
	}
	if why := r.missing(key); why != "" {
		r.diagnose(unknown, at, "%s", why)
		return key, false
	}
	return key, true
}

// missing says why there is no such cluster; empty when there is one.
func (b *builder) missing(key clusterKey) string {
	svc := b.service(key.host)
	switch {
	case svc == nil:
		return fmt.Sprintf("no service %q is visible to the proxy", key.host)
	case svc.Resolution == model.Alias:
		return fmt.Sprintf("service %s is an alias of %s, which no service that is visible to the proxy has for its name",
			key.host, svc.Attributes.K8sAttributes.ExternalName)
	case !hasPort(svc, key.port):
		return fmt.Sprintf("service %s has no port %d", key.host, key.port)
	case key.subset != "" && svc.Resolution == model.DynamicDNS:
		return fmt.Sprintf("service %s has the resolution DYNAMIC_DNS, and no subsets", key.host)
	case key.subset != "" && findSubset(destinationRule(b.in, svc), key.subset) == nil:
		return fmt.Sprintf("no DestinationRule of %s has a subset %q", key.host, key.subset)
	}
	return ""
}

func hasPort(svc *model.Service, port int) bool {
	_, has := svc.Ports.GetByPort(port)
	return has
}
