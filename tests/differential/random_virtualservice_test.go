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
	"google.golang.org/protobuf/proto"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/schema/gvk"
)

// otherHosts are hosts of VirtualServices that need not be services.
var otherHosts = []string{
	"a.example", "*.example", "*.a.example", "*.b.example", "nowhere.example", "unknown.test", "*.test", "*", "a", "b", "a.ns1", "single",
	"*.svc.cluster.local", "*.ns1.svc.cluster.local", "CAPS.example", "10.3.0.1",
}

func (r *random) virtualService() (config.GroupVersionKind, proto.Message) {
	vs := &networking.VirtualService{
		ExportTo: pick(r, exports),
		Gateways: pick(r, [][]string{nil, nil, nil, nil, nil, {"mesh"}, {"mesh", "default/gw"}, {"default/gw"}}),
	}
	for range r.times(1, 2) {
		if r.maybe(3) {
			vs.Hosts = append(vs.Hosts, pick(r, otherHosts))
		} else {
			vs.Hosts = append(vs.Hosts, pick(r, r.hosts))
		}
	}
	for range r.times(1, 4) {
		if r.maybe(14) {
			vs.Http = append(vs.Http, r.delegated())
		} else {
			vs.Http = append(vs.Http, r.rule())
		}
	}
	// Rules without a match take everything; mostly at the end, where people write them.
	if last := len(vs.Http) - 1; last > 0 && !r.maybe(8) {
		for _, h := range vs.Http[:last] {
			if len(h.Match) == 0 {
				h.Match = []*networking.HTTPMatchRequest{r.match()}
			}
		}
	}
	if r.maybe(4) {
		r.rawRules(vs)
	}
	return gvk.VirtualService, vs
}

// delegated is a rule whose actions another VirtualService has.
func (r *random) delegated() *networking.HTTPRoute {
	h := &networking.HTTPRoute{Name: "r" + r.name(), Delegate: &networking.Delegate{Name: r.name(), Namespace: pick(r, namespaces)}}
	if r.maybe(2) {
		h.Match = []*networking.HTTPMatchRequest{{Uri: prefix(pick(r, []string{"/a", "/api", "/"}))}}
	}
	if r.maybe(3) {
		r.decorate(h)
	}
	vs := &networking.VirtualService{ExportTo: pick(r, exports)}
	for range r.times(1, 2) {
		vs.Http = append(vs.Http, r.rule())
	}
	c := config.Config{Meta: config.Meta{GroupVersionKind: gvk.VirtualService, Name: h.Delegate.Name, Namespace: h.Delegate.Namespace, Domain: domain}, Spec: vs}
	if isValid(c) {
		r.add(c)
	}
	return h
}

// rule is one of a VirtualService.
func (r *random) rule() *networking.HTTPRoute {
	h := &networking.HTTPRoute{Name: "r" + r.name()}
	if !r.maybe(4) {
		for range r.times(1, 2) {
			h.Match = append(h.Match, r.match())
		}
	}
	if r.maybe(10) {
		h.Name = ""
	}
	switch r.IntN(10) {
	case 0:
		h.Redirect = r.redirect()
	case 1:
		h.DirectResponse = r.directResponse()
	default:
		r.route(h)
	}
	if r.maybe(4) {
		h.Headers = r.headers()
	}
	if r.maybe(8) {
		h.CorsPolicy = r.cors()
	}
	return h
}

// route sends the requests of a rule to destinations.
func (r *random) route(h *networking.HTTPRoute) {
	n := 1
	if r.maybe(3) {
		n = r.times(2, 4)
	}
	for range n {
		d := &networking.HTTPRouteDestination{Destination: r.destination()}
		if n > 1 || r.maybe(4) {
			d.Weight = pick(r, []int32{0, 1, 10, 25, 50, 90, 100})
		}
		if r.maybe(6) {
			d.Headers = r.headers()
		}
		h.Route = append(h.Route, d)
	}
	r.decorate(h)
}

// decorate adds what is done on the way to the destinations.
func (r *random) decorate(h *networking.HTTPRoute) {
	if r.maybe(4) {
		h.Rewrite = r.rewrite()
	}
	if r.maybe(6) {
		h.Fault = r.fault()
	}
	if r.maybe(5) {
		h.Timeout = pick(r, durations)
	}
	if r.maybe(6) {
		h.Retries = r.retries()
	}
	switch r.IntN(14) {
	case 0:
		h.Mirror = r.destination()
		if r.maybe(2) {
			h.MirrorPercentage = r.percent()
		}
	case 1:
		for range r.times(1, 2) {
			m := &networking.HTTPMirrorPolicy{Destination: r.destination()}
			if r.maybe(2) {
				m.Percentage = r.percent()
			}
			h.Mirrors = append(h.Mirrors, m)
		}
	}
}

func (r *random) destination() *networking.Destination {
	d := &networking.Destination{Host: pick(r, r.hosts)}
	switch r.IntN(16) {
	case 0:
		d.Host = pick(r, []string{"a", "b", "single"})
	case 1:
		d.Host = pick(r, serviceHosts)
	case 2:
		d.Host = "nowhere.example"
	}
	if r.maybe(2) {
		d.Port = &networking.PortSelector{Number: pick(r, []uint32{80, 80, 8080, 8080, 9090, 443, 1})}
	}
	if r.maybe(4) {
		d.Subset = pick(r, []string{"v1", "v2", "v1", "v2", "v3"})
	}
	return d
}
