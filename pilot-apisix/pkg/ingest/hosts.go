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

	"k8s.io/apimachinery/pkg/types"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/host"
)

// wildcardIndex names, for each service, the VirtualService with the most specific wildcard host that covers it.
type wildcardIndex = map[host.Name]types.NamespacedName

// selectVirtualServices keeps the VirtualServices with at least one host that is a service, or covers one (pilot's function
// of that name).
func selectVirtualServices(virtualServices []*config.Config, registry map[host.Name]*model.Service) []*config.Config {
	var wildcardServices []host.Name
	for h := range registry {
		if h.IsWildCarded() {
			wildcardServices = append(wildcardServices, h)
		}
	}
	selects := func(h string) bool {
		name := host.Name(strings.ToLower(h))
		if _, known := registry[name]; known {
			return true
		}
		if !name.IsWildCarded() {
			return slices.ContainsFunc(wildcardServices, name.Matches)
		}
		for service := range registry {
			if name.Matches(service) {
				return true
			}
		}
		return false
	}
	out := make([]*config.Config, 0, len(virtualServices))
	for _, vs := range virtualServices {
		if slices.ContainsFunc(vs.Spec.(*networking.VirtualService).Hosts, selects) {
			out = append(out, vs)
		}
	}
	return out
}

// separateHosts splits the hosts of a VirtualService into those which are no services and the services that it covers,
// the latter in a stable order (pilot's separateVSHostsAndServices).
func separateHosts(vs *config.Config, registry map[host.Name]*model.Service, wildcards wildcardIndex) (hosts []string, services []*model.Service) {
	for _, h := range vs.Spec.(*networking.VirtualService).Hosts {
		name := host.Name(strings.ToLower(h))
		if !name.IsWildCarded() {
			if svc, known := registry[name]; known {
				services = append(services, svc)
			} else {
				hosts = append(hosts, h)
			}
			continue
		}
		if model.UseGatewaySemantics(*vs) {
			hosts = append(hosts, string(name))
			continue
		}
		covers := false
		first := len(services)
		for serviceHost, svc := range registry {
			if !serviceHost.Matches(name) {
				continue
			}
			covers = true
			if owner, ok := wildcards[serviceHost]; ok && owner == vs.NamespacedName() {
				services = append(services, svc)
			}
		}
		slices.SortFunc(services[first:], func(a, b *model.Service) int { return cmp.Compare(a.Hostname, b.Hostname) })
		if !covers {
			hosts = append(hosts, string(name))
		}
	}
	return hosts, services
}
