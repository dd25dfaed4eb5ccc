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
	"slices"
	"strings"

	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/pkg/networking/core"
	"istio.io/istio/pilot/pkg/networking/util"
	"istio.io/istio/pilot/pkg/serviceregistry/provider"
	"istio.io/istio/pkg/config/constants"
)

// domains hands out the domains of a port, each to the first virtual host that claims it (pilot's
// generateVirtualHostDomains and dedupeDomains).
type domains struct {
	proxy *model.Proxy
	seen  map[string]use
}

// use is what a domain of the port has been used for.
type use uint8

const (
	// taken domains have their virtual host.
	taken use = 1 << iota
	// named hosts got a virtual host already; a second one of the same name gets nothing.
	named
	// service is the full name of a service of the port: a short form of another never takes it.
	service
)

func newDomains(proxy *model.Proxy, groups []hostGroup) *domains {
	d := &domains{
		proxy: proxy,
		seen:  make(map[string]use, 3*len(groups)),
	}
	for i := range groups {
		for _, svc := range groups[i].services {
			d.seen[string(svc.Hostname)] |= service
		}
	}
	return d
}

// ofHost appends the domain of a host that is no service.
func (d *domains) ofHost(out []string, name string) []string {
	if d.seenAs(name, named) {
		return out
	}
	return d.claim(out, util.IPv6Compliant(name))
}

// ofService appends the domains of a service: its name, the short forms that resolve in the proxy's namespace, its aliases,
// and its addresses.
func (d *domains) ofService(out []string, svc *model.Service) []string {
	name := string(svc.Hostname)
	if d.seenAs(strings.ToLower(name), named) {
		return out
	}
	first := len(out)
	out = d.ofName(out, name)
	for _, a := range svc.Attributes.Aliases {
		out = d.ofName(out, a.Hostname.String())
	}
	if svc.Resolution == model.Passthrough && svc.Attributes.ServiceRegistry == provider.Kubernetes {
		for _, domain := range slices.Clone(out[first:]) {
			out = d.claim(out, "*."+domain)
		}
	}
	for _, address := range svc.GetAllAddressesForProxy(d.proxy) {
		if address != "" && address != constants.UnspecifiedIP {
			out = d.claim(out, util.IPv6Compliant(address))
		}
	}
	return out
}

func (d *domains) ofName(out []string, name string) []string {
	out = d.claim(out, name)
	for _, alt := range core.GenerateAltVirtualHosts(name, 0, d.proxy.DNSDomain) {
		// nginx takes the dot of an absolute name away before it matches.
		// The short form of a wildcard may be "*", which would take every host.
		if strings.HasSuffix(alt, ".") || alt == "*" || d.seen[alt]&service != 0 {
			continue
		}
		out = d.claim(out, alt)
	}
	return out
}

// claim appends domain unless it is taken.
func (d *domains) claim(out []string, domain string) []string {
	domain = strings.ToLower(domain)
	if d.seenAs(domain, taken) {
		return out
	}
	return append(out, domain)
}

// seenAs says whether the domain has been used so before, and notes that it is now.
func (d *domains) seenAs(domain string, as use) bool {
	before := d.seen[domain]
	if before&as != 0 {
		return true
	}
	d.seen[domain] = before | as
	return false
}
