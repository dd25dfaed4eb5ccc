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
	"slices"
	"strconv"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/constants"
	"istio.io/istio/pkg/config/host"
	"istio.io/istio/pkg/config/labels"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// routeBuilder makes the routes of one VirtualService on one port. It follows pilot/pkg/networking/core/route.
type routeBuilder struct {
	*builder
	vs     *config.Config
	spec   *networking.VirtualService
	port   int
	source ir.Source

	routes      []ir.Route
	diagnostics []ir.Diagnostic
}

func (r *routeBuilder) build() {
	if len(r.spec.Tcp) > 0 {
		r.diagnose(fidelity.TCPRoutesNotCarried, r.source.At("spec.tcp"), "")
	}
	if len(r.spec.Tls) > 0 {
		r.diagnose(fidelity.TLSRoutesNotCarried, r.source.At("spec.tls"), "")
	}
	for i, rule := range r.spec.Http {
		src := r.source.At("spec.http[" + strconv.Itoa(i) + "]")
		if len(rule.Match) == 0 {
			r.add(rule, nil, src, src)
			return
		}
		for j, m := range rule.Match {
			if r.add(rule, m, src, src.At("match["+strconv.Itoa(j)+"]")) {
				// Nothing after a rule that takes everything is ever reached.
				return
			}
		}
	}
}

// add appends the route for one match of a rule, unless it is for other proxies or ports. It reports whether the route
// takes every request.
func (r *routeBuilder) add(rule *networking.HTTPRoute, m *networking.HTTPMatchRequest, ruleSource, src ir.Source) bool {
	if m.GetPort() != 0 && int(m.GetPort()) != r.port || !r.matchesSource(m) {
		return false
	}
	match, ok := r.match(m, src)
	if !ok {
		return false
	}
	route := ir.Route{Name: rule.Name, Match: match, Source: src}
	if m.GetName() != "" {
		route.Name += "." + m.Name
	}
	r.action(&route, rule, ruleSource)
	r.routes = append(r.routes, route)
	return catchAll(&route.Match)
}

// catchAll is Istio's own, narrower notion of a match that takes everything (IsCatchAllRoute).
func catchAll(m *ir.Match) bool {
	if !(m.Path == nil || m.Path.Kind == ir.MatchPrefix && m.Path.Value == "/" || m.Path.Kind == ir.MatchRegex && m.Path.Value == ".*") {
		return false
	}
	rest := *m
	rest.Path = nil
	return rest.All()
}

// matchesSource says whether m is for this proxy at all: by gateway, or by the labels and the namespace of the client.
func (r *routeBuilder) matchesSource(m *networking.HTTPMatchRequest) bool {
	if m == nil {
		return true
	}
	if len(m.Gateways) > 0 {
		return slices.Contains(m.Gateways, constants.IstioMeshGateway)
	}
	return labels.Instance(m.SourceLabels).SubsetOf(r.in.Proxy.Labels) &&
		(m.SourceNamespace == "" || m.SourceNamespace == r.in.Proxy.Metadata.Namespace)
}

// action fills in what happens to the requests of a rule.
func (r *routeBuilder) action(route *ir.Route, rule *networking.HTTPRoute, src ir.Source) {
	switch {
	case rule.Redirect != nil:
		r.diagnose(fidelity.RedirectRefused, src.At("redirect"), "")
		route.DirectResponse = http.StatusNotImplemented
		return
	case rule.DirectResponse != nil:
		r.diagnose(fidelity.DirectResponseRefused, src.At("directResponse"), "")
		route.DirectResponse = http.StatusNotImplemented
		return
	}
	route.Destinations = r.destinations(rule, src)
	if len(route.Destinations) == 0 {
		route.DirectResponse = http.StatusServiceUnavailable
	}
	if rule.Timeout != nil {
		route.Timeout = rule.Timeout.AsDuration()
	}
	route.Fault = r.fault(rule.Fault, src.At("fault"))
	r.unsupported(rule, src)
}

// unsupported tells of the fields of a rule that have no effect yet.
func (r *routeBuilder) unsupported(rule *networking.HTTPRoute, src ir.Source) {
	if rule.Retries != nil {
		r.diagnose(fidelity.RetriesNotCarried, src.At("retries"), "")
	}
	if rule.Rewrite != nil {
		r.diagnose(fidelity.RewriteNotCarried, src.At("rewrite"), "")
	}
	if rule.Headers != nil {
		r.diagnose(fidelity.HeadersNotCarried, src.At("headers"), "")
	}
	if rule.Mirror != nil || len(rule.Mirrors) > 0 {
		r.diagnose(fidelity.MirrorNotCarried, src.At("mirrors"), "")
	}
	if rule.CorsPolicy != nil {
		r.diagnose(fidelity.CORSNotCarried, src.At("corsPolicy"), "")
	}
}

// destinations are the clusters of a rule with their weights, each once. With several, those of weight 0 get nothing;
// a single one gets everything.
func (r *routeBuilder) destinations(rule *networking.HTTPRoute, src ir.Source) []ir.Destination {
	out := make([]ir.Destination, 0, len(rule.Route))
	for i, d := range rule.Route {
		if d.Headers != nil {
			r.diagnose(fidelity.DestinationHeadersNotCarried, src.At("route["+strconv.Itoa(i)+"].headers"), "")
		}
		if d.Weight == 0 && len(rule.Route) > 1 {
			continue
		}
		cluster := r.destination(d.GetDestination(), src, i)
		if j := slices.IndexFunc(out, func(o ir.Destination) bool { return o.Cluster == cluster }); j >= 0 {
			out[j].Weight += uint32(d.Weight)
			continue
		}
		out = append(out, ir.Destination{Cluster: cluster, Weight: uint32(d.Weight)})
	}
	return out
}

// destination names the cluster of one destination (GetDestinationCluster) and says so when there is none.
func (r *routeBuilder) destination(d *networking.Destination, src ir.Source, i int) string {
	key := clusterKey{host: host.Name(d.GetHost()), port: r.port, subset: d.GetSubset()}
	if n := d.GetPort().GetNumber(); n != 0 {
		key.port = int(n)
	}
	svc := r.service(key.host)
	if svc != nil && svc.Attributes.K8sAttributes.ExternalName != "" {
		key.host = host.Name(svc.Attributes.K8sAttributes.ExternalName)
		svc = r.service(key.host)
	}
	if d.GetPort() == nil && svc != nil && len(svc.Ports) == 1 {
		key.port = svc.Ports[0].Port
	}
	at := src.At("route[" + strconv.Itoa(i) + "].destination")
	switch {
	case svc == nil:
		r.diagnose(fidelity.UnknownDestination, at, "no service %q is visible to the proxy", key.host)
	case !hasPort(svc, key.port):
		r.diagnose(fidelity.UnknownDestination, at, "service %s has no port %d", key.host, key.port)
	case key.subset != "" && findSubset(destinationRule(r.in, svc), key.subset) == nil:
		r.diagnose(fidelity.UnknownDestination, at, "no DestinationRule of %s has a subset %q", key.host, key.subset)
	}
	return r.want(key)
}

func hasPort(svc *model.Service, port int) bool {
	_, has := svc.Ports.GetByPort(port)
	return has
}

// fault takes over what Envoy would do (TranslateFault): a share that is not given is none.
func (r *routeBuilder) fault(f *networking.HTTPFaultInjection, src ir.Source) *ir.Fault {
	out := &ir.Fault{}
	if d := f.GetDelay(); d != nil {
		if fixed, ok := d.HttpDelayType.(*networking.HTTPFaultInjection_Delay_FixedDelay); ok {
			percentage := float64(d.Percent) //nolint:staticcheck // deprecated, and still honoured by Istio
			if d.Percentage != nil {
				percentage = d.Percentage.Value
			}
			out.Delay = &ir.FaultDelay{Duration: fixed.FixedDelay.AsDuration(), Percentage: percentage}
		} else {
			r.diagnose(fidelity.FaultExponentialDelay, src.At("delay"), "")
		}
	}
	if a := f.GetAbort(); a != nil {
		if status, ok := a.ErrorType.(*networking.HTTPFaultInjection_Abort_HttpStatus); ok {
			out.Abort = &ir.FaultAbort{Status: int(status.HttpStatus), Percentage: a.GetPercentage().GetValue()}
		} else {
			r.diagnose(fidelity.FaultGRPCStatus, src.At("abort"), "")
		}
	}
	if out.Delay == nil && out.Abort == nil {
		return nil
	}
	return out
}

func (r *routeBuilder) diagnose(e *fidelity.Entry, src ir.Source, detail string, args ...any) {
	if d := e.At(src, detail, args...); !slices.Contains(r.diagnostics, d) {
		r.diagnostics = append(r.diagnostics, d)
	}
}
