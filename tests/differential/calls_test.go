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
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
)

// facts are what calls to a scenario are made of.
type facts struct {
	*random
	hosts, addresses []string
	ports            []int
	// portsOf are the ports of the services by their hosts.
	portsOf map[string][]int
	// guided are the rules that calls try to meet, with the hosts of their VirtualService.
	guided []guided
	names  []string
	// raw are the rules for TLS and TCP, ingress the ports of Sidecars.
	raw     []rawTarget
	ingress []int
}

type guided struct {
	hosts []string
	match *networking.HTTPMatchRequest
	cors  bool
}

// calls makes n calls near the edges of the scenario.
func (s *scenario) calls(seed uint64, n int) []*call {
	f := &facts{random: &random{Rand: rand.New(rand.NewPCG(seed, 1)), scenario: s}, ports: []int{80}, hosts: []string{"stranger.test", "a"}, portsOf: map[string][]int{}}
	for _, o := range s.objects {
		if o.service != nil {
			f.hosts = append(f.hosts, o.service.Name+"."+o.service.Namespace+".svc."+domain)
			if a := o.service.Spec.ClusterIP; a != "" && a != "None" {
				f.addresses = append(f.addresses, a)
			}
			for _, p := range o.service.Spec.Ports {
				f.port(int(p.Port), f.hosts[len(f.hosts)-1])
			}
			continue
		}
		switch spec := o.config.Spec.(type) {
		case *networking.ServiceEntry:
			f.serviceEntry(spec)
		case *networking.VirtualService:
			f.virtualService(spec, o.config.Namespace)
		case *networking.Sidecar:
			for _, e := range spec.Egress {
				if e.Port != nil {
					f.ports = append(f.ports, int(e.Port.Number))
				}
			}
			for _, in := range spec.Ingress {
				f.ingress = append(f.ingress, int(in.Port.Number))
			}
		}
	}
	out := make([]*call, 0, n)
	for range n {
		out = append(out, f.call())
	}
	return out
}

func (f *facts) serviceEntry(se *networking.ServiceEntry) {
	f.hosts = append(f.hosts, se.Hosts...)
	for _, p := range se.Ports {
		f.port(int(p.Number), se.Hosts...)
	}
	for _, a := range se.Addresses {
		if p, err := netip.ParsePrefix(a); err == nil {
			a = p.Addr().Next().String()
		}
		f.addresses = append(f.addresses, a)
	}
}

func (f *facts) port(n int, hosts ...string) {
	f.ports = append(f.ports, n)
	for _, h := range hosts {
		f.portsOf[h] = append(f.portsOf[h], n)
	}
}

// at makes the call one to the host, on a port that it has.
func (f *facts) at(c *call, host string) {
	c.host = f.host(host)
	if p := f.portsOf[host]; len(p) > 0 && !f.maybe(6) {
		c.port = pick(f.random, p)
	}
}

func (f *facts) virtualService(vs *networking.VirtualService, namespace string) {
	hosts := vs.Hosts
	for _, h := range hosts {
		if !strings.ContainsAny(h, ".*") {
			h += "." + namespace + ".svc." + domain
		}
		f.hosts = append(f.hosts, h)
	}
	f.rawRules(vs)
	for _, rule := range vs.Http {
		list := rule.Match
		if len(list) == 0 {
			list = []*networking.HTTPMatchRequest{{}}
		}
		for _, m := range list {
			f.guided = append(f.guided, guided{hosts, m, rule.CorsPolicy != nil})
			if m.GetPort() != 0 {
				f.ports = append(f.ports, int(m.Port))
			}
			for _, names := range []map[string]*networking.StringMatch{m.GetHeaders(), m.GetWithoutHeaders()} {
				f.names = append(f.names, sortedKeys(names)...)
			}
		}
	}
}

func (f *facts) call() *call {
	c := &call{address: elsewhere, port: pick(f.random, f.ports), method: "GET", path: "/"}
	f.at(c, pick(f.random, f.hosts))
	if len(f.guided) > 0 && !f.maybe(6) {
		f.meet(c, pick(f.random, f.guided))
	} else {
		c.path = pick(f.random, paths)
	}
	if f.maybe(3) {
		f.stray(c)
	}
	switch {
	case strings.Contains(c.host, ":"):
	case f.maybe(5):
		c.host += ":" + itoa(c.port)
	case f.maybe(30):
		c.host += ":9999"
	case f.maybe(40):
		c.host += "."
	case f.maybe(12):
		c.host = strings.ToUpper(c.host)
	}
	// Both resolve dot segments, and the evaluator of Envoy's side does not.
	for strings.Contains(c.pathOnly(), "/.") {
		c.path = strings.ReplaceAll(c.pathOnly(), "/.", "/") + c.query()
	}
	// What nginx merges, and Envoy does not, is a class of its own.
	for own := f.maybe(4); !own && strings.Contains(c.pathOnly(), "//"); {
		c.path = strings.ReplaceAll(c.pathOnly(), "//", "/") + c.query()
	}
	c.once()
	if len(f.addresses) > 0 && f.maybe(4) {
		c.address = pick(f.random, f.addresses)
		if f.maybe(3) {
			if c.host = c.address; strings.Contains(c.host, ":") {
				c.host = "[" + c.host + "]"
			}
		}
	}
	if f.maybe(4) {
		f.connect(c)
	}
	if f.maybe(10) {
		f.arrive(c)
	}
	if f.maybe(30) {
		c.port = 9999
	}
	if f.maybe(40) && c.transport == overHTTP && c.method != "HEAD" && len(c.values("content-type")) == 0 {
		c.headers = append(c.headers, field{"content-type", "application/grpc"})
	}
	return c
}

// once leaves one value of the headers that nginx takes only once.
func (c *call) once() {
	seen := map[string]bool{}
	c.headers = slices.DeleteFunc(c.headers, func(h field) bool {
		name := strings.ToLower(h.name)
		dup := seen[name] && !strings.HasPrefix(name, "x")
		seen[name] = true
		return dup
	})
}

// host is a name that a client could mean with h.
func (f *facts) host(h string) string {
	if rest, ok := strings.CutPrefix(h, "*"); ok {
		h = pick(f.random, []string{"w", "w", "deep.w", "a", ""}) + rest
		h = strings.TrimPrefix(h, ".")
		if h == "" {
			h = "anything.test"
		}
	}
	if short, ok := strings.CutSuffix(h, ".svc."+domain); ok && f.maybe(2) {
		name, _, _ := strings.Cut(short, ".")
		h = pick(f.random, []string{name, short, short, short + ".svc"})
	}
	return h
}
