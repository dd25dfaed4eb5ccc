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
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	meshconfig "istio.io/api/mesh/v1alpha1"
	security "istio.io/api/security/v1beta1"
	api "istio.io/api/type/v1beta1"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/mesh"
	"istio.io/istio/pkg/config/schema/gvk"
)

// Values of policies, which meet in calls often enough.
var (
	rbacPrincipals = []string{
		"cluster.local/ns/ns1/sa/a", "cluster.local/ns/ns1/sa/b", "cluster.local/ns/ns2/*", "*/sa/a", "*", "td1/ns/ns1/sa/a", "td*", "*/ns/ns2/sa/b",
		"*-td/ns/ns1/sa/a", "cluster.local/ns/ns1/sa/A", "other/ns/ns1/sa/a",
	}
	rbacNamespaces   = []string{"ns1", "ns2", "ns*", "*2", "n*1", "*", "NS1", "ns"}
	rbacAccounts     = []string{"a", "b", "ns1/a", "ns2/b", "ns1/aa", "ns.1/a"}
	rbacDomains      = []string{"cluster.local", "td1", "*", "td*", "*.local", "cluster", "*-td"}
	rbacIPs          = []string{"10.1.2.3", "10.1.0.0/16", "10.0.0.0/8", "0.0.0.0/0", "2001:db8::/32", "2001:db8::1", "192.0.2.0/25", "10.1.2.3/30", "::/0", "2001:db8::/33"}
	rbacTokens       = []string{"*", "iss/sub", "iss*", "*sub", "https://a/b/*", "*/sub"}
	rbacMethods      = []string{"GET", "POST", "PU*", "*T", "*", "get"}
	rbacHosts        = []string{"web.ns1", "WEB.ns1", "*.ns1", "web.*", "*", "web.ns1:8080", "web.ns1:*"}
	rbacPaths        = []string{"/", "/a", "/a/*", "/a*", "*/z", "*", "/a/{*}", "/a/{**}", "/{*}/z", "/a/{*}/{**}/z", "/{**}/z/", "/a/b", "/A", "/a%2Fb", "/admin", "/admin*"}
	rbacPorts        = []string{"8080", "8081", "9090", "80"}
	rbacHeaderNames  = []string{"x-a", "X-A", "x-b", "x_a", "cookie", ":method", ":authority", "host", "x-forwarded-client-cert", "user-agent"}
	rbacHeaderValues = []string{"1", "12", "1*", "*2", "*", "1,2", "GET", "web.ns1"}
	rbacSNIs         = []string{"web.example.com", "*.example.com", "web.*", "*"}
)

// randomPolicies makes a few policies, and calls.
func randomPolicies(seed uint64, calls int) *rbacScenario {
	r := &random{Rand: rand.New(rand.NewPCG(seed, 7))}
	labels := map[string]string{"app": "a"}
	var policies []object
	for i := range r.times(1, 4) {
		p := &security.AuthorizationPolicy{Action: pick(r, []security.AuthorizationPolicy_Action{0, 0, 1, 1, 1, 2})}
		if r.maybe(3) {
			p.Selector = &api.WorkloadSelector{MatchLabels: pick(r, []map[string]string{labels, labels, {"app": "b"}})}
		}
		for range r.times(0, 3) {
			p.Rules = append(p.Rules, r.rbacRule())
		}
		c := &config.Config{
			Meta: config.Meta{
				GroupVersionKind: gvk.AuthorizationPolicy, Namespace: pick(r, []string{"ns1", "ns1", "ns1", rootNS, "ns2"}), Name: fmt.Sprintf("p%d", i),
				Domain: domain, CreationTimestamp: born(i + 1),
			},
			Spec: p,
		}
		if r.maybe(12) {
			c.Annotations = map[string]string{"istio.io/dry-run": pick(r, []string{"true", "false", "perhaps"})}
		}
		policies = append(policies, object{config: c})
	}
	m := mesh.DefaultMeshConfig()
	if r.maybe(3) {
		m.TrustDomain, m.TrustDomainAliases = "td1", pick(r, [][]string{nil, {"old-td"}, {"cluster.local", "old-td"}})
	}
	if r.maybe(2) {
		m.PathNormalization = &meshconfig.MeshConfig_ProxyPathNormalization{
			Normalization: meshconfig.MeshConfig_ProxyPathNormalization_NormalizationType(r.IntN(5)),
		}
	}
	s := newRBACScenario(fmt.Sprintf("DIFF_SEED=%d DIFF_POLICIES=1", seed), "ns1", labels, m, policies)
	s.calls = newRandomCalls(seed, s, calls)
	return s
}

// sometimes is a few of the list, or mostly none.
func (r *random) sometimes(n int, list []string) []string {
	if !r.maybe(n) {
		return nil
	}
	return some(r, list, 3)
}

func (r *random) rbacRule() *security.Rule {
	if r.maybe(15) {
		return &security.Rule{}
	}
	rule := &security.Rule{}
	for range r.times(0, 2) {
		s := &security.Source{
			Principals: r.sometimes(3, rbacPrincipals), NotPrincipals: r.sometimes(6, rbacPrincipals),
			Namespaces: r.sometimes(4, rbacNamespaces), NotNamespaces: r.sometimes(8, rbacNamespaces),
			IpBlocks: r.sometimes(6, rbacIPs), NotIpBlocks: r.sometimes(9, rbacIPs),
			RemoteIpBlocks: r.sometimes(8, rbacIPs), NotRemoteIpBlocks: r.sometimes(9, rbacIPs),
			ServiceAccounts: r.sometimes(8, rbacAccounts), NotServiceAccounts: r.sometimes(9, rbacAccounts),
			TrustDomains: r.sometimes(8, rbacDomains), NotTrustDomains: r.sometimes(9, rbacDomains),
			RequestPrincipals: r.sometimes(20, rbacTokens), NotRequestPrincipals: r.sometimes(12, rbacTokens),
		}
		rule.From = append(rule.From, &security.Rule_From{Source: s})
	}
	for range r.times(0, 2) {
		o := &security.Operation{
			Methods: r.sometimes(3, rbacMethods), NotMethods: r.sometimes(7, rbacMethods),
			Paths: r.sometimes(2, rbacPaths), NotPaths: r.sometimes(5, rbacPaths),
			Hosts: r.sometimes(5, rbacHosts), NotHosts: r.sometimes(7, rbacHosts),
			Ports: r.sometimes(5, rbacPorts), NotPorts: r.sometimes(7, rbacPorts),
		}
		rule.To = append(rule.To, &security.Rule_To{Operation: o})
	}
	for range r.times(0, 1) {
		rule.When = append(rule.When, r.rbacCondition())
	}
	return rule
}

func (r *random) rbacCondition() *security.Condition {
	key, values := "", []string(nil)
	switch r.IntN(24) {
	case 0, 1, 2, 3, 4, 5:
		key, values = "request.headers["+pick(r, rbacHeaderNames)+"]", rbacHeaderValues
	case 6, 7:
		key, values = "source.ip", rbacIPs
	case 8:
		key, values = "remote.ip", rbacIPs
	case 9, 10:
		key, values = "source.namespace", rbacNamespaces
	case 11, 12:
		key, values = "source.principal", rbacPrincipals
	case 13:
		key, values = "source.trustDomain", rbacDomains
	case 14:
		key, values = "source.serviceAccount", rbacAccounts
	case 15:
		key, values = "request.auth.principal", rbacTokens
	case 16:
		key, values = "request.auth.audiences", rbacHeaderValues
	case 17:
		key, values = "request.auth.claims[a][b]", rbacHeaderValues
	case 18, 19:
		key, values = "destination.ip", append(slices.Clone(rbacIPs), "10.9.9.9", "10.9.9.9")
	case 20, 21:
		key, values = "destination.port", append(slices.Clone(rbacPorts), "99999")
	case 22:
		key, values = "connection.sni", rbacSNIs
	default:
		key, values = pick(r, []string{"experimental.envoy.filters.a.b[c]", "request.auth.presenter", "no.such.key"}), rbacHeaderValues
	}
	c := &security.Condition{Key: key, Values: r.sometimes(2, values)}
	if len(c.Values) == 0 || r.maybe(4) {
		c.NotValues = some(r, values, 2)
	}
	return c
}

// rbacPool are values for calls: usual ones, and those that policies name.
type rbacPool struct {
	peers, ips, methods, hosts, paths, names, values, snis []string
}

// concrete makes of a pattern what it takes.
func concrete(list []string) []string {
	var out []string
	for _, v := range list {
		v = strings.NewReplacer("{**}", "q/r", "{*}", "q").Replace(v)
		out = append(out, strings.ReplaceAll(v, "*", "x"), strings.ReplaceAll(v, "*", ""))
	}
	return out
}

func newPool(policies []*security.AuthorizationPolicy) *rbacPool {
	p := &rbacPool{
		peers: []string{
			"", "", "spiffe://cluster.local/ns/ns1/sa/a", "spiffe://cluster.local/ns/ns1/sa/b", "spiffe://cluster.local/ns/ns2/sa/b", "spiffe://td1/ns/ns1/sa/a",
			"spiffe://old-td/ns/ns1/sa/a", "spiffe://cluster.local/ns/ns1/x/sa/a/y", "spiffe://cluster.local/ns/ns1/sa/aa", "spiffe://cluster.local/x/ns/ns1/sa/a",
			"spiffe:///ns/ns1/sa/a", "spiffe:///ns/ns1/x/sa/a", "spiffe:///ns/ns1/x/sa/a/y", "spiffe://cluster.local/ns/ns1", "https://x/ns/ns2/sa/b", "spiffe://cluster.local/ns/ns1/sa/", "spiffe://cluster.local/ns/ns1//sa/a",
		},
		ips:     []string{"10.1.2.3", "10.1.9.9", "10.2.0.1", "192.0.2.1", "192.0.2.200", "2001:db8::1", "2001:db8:8000::1", "2001:db9::1", "127.0.0.1"},
		methods: []string{"GET", "GET", "POST", "PUT", "DELETE"},
		hosts:   []string{"web.ns1", "web.ns1", "WEB.NS1", "web.ns1:8080", "web.ns2", "10.9.9.9:8080"},
		paths: []string{
			"/", "/a", "/a/", "/a/b", "/a/b/z", "/b/z", "/z/z/", "/a?x=/z", "/a/../b/z", "/b/./a", "/%61", "/a%2fb", "/a%2Fb/z", "//a", "/a//z", "/a/b/..",
			`/b\a`, "/a/%2e%2E/b", "/A", "/a%", "/a%zz", "/a{b}", "/a/b*c", "/a/b;c=d/z", "/a/%5c/z", "/ADMIN", "/admin", "/admin/", "/%61dmin", "/x/..%2fadmin", "/./admin",
			"//admin", "/admin;x", "/a#z", "/..a", "/a/...", "/\xc3\xa4", "/admin%00", "/a\"b", "/a/b?c#d", "/~a", "/%7Ea",
		},
		names:  []string{"x-a", "X-a", "x-b", "x_a", "cookie", "user-agent", "x-forwarded-for"},
		values: []string{"1", "12", "2", "1,2", "", " 1 ", "GET"},
		snis:   []string{"", "web.example.com", "outbound_.80_._.web.ns1.svc.cluster.local", "WEB.example.com", "a.ns1._sa.cluster.local"},
	}
	for _, policy := range policies {
		for _, rule := range policy.GetRules() {
			for _, f := range rule.GetFrom() {
				s := f.GetSource()
				for _, v := range concrete(slices.Concat(s.GetPrincipals(), s.GetNotPrincipals())) {
					p.peers = append(p.peers, "spiffe://"+v)
				}
				for _, v := range concrete(slices.Concat(s.GetNamespaces(), s.GetNotNamespaces())) {
					p.peers = append(p.peers, "spiffe://cluster.local/ns/"+v+"/sa/a")
				}
			}
			for _, t := range rule.GetTo() {
				o := t.GetOperation()
				p.methods = append(p.methods, concrete(slices.Concat(o.GetMethods(), o.GetNotMethods()))...)
				p.hosts = append(p.hosts, concrete(slices.Concat(o.GetHosts(), o.GetNotHosts()))...)
				p.paths = append(p.paths, concrete(slices.Concat(o.GetPaths(), o.GetNotPaths()))...)
			}
			for _, w := range rule.GetWhen() {
				if name, ok := strings.CutPrefix(w.Key, "request.headers["); ok {
					p.names = append(p.names, strings.TrimSuffix(name, "]"))
					p.values = append(p.values, concrete(slices.Concat(w.Values, w.NotValues))...)
				}
			}
		}
	}
	p.names = slices.DeleteFunc(p.names, func(n string) bool { return strings.HasPrefix(n, ":") || strings.EqualFold(n, "host") })
	p.hosts = slices.DeleteFunc(p.hosts, func(h string) bool { return h == "" })
	p.paths = slices.DeleteFunc(p.paths, func(h string) bool { return !strings.HasPrefix(h, "/") })
	p.methods = slices.DeleteFunc(p.methods, func(m string) bool { return m == "" })
	return p
}

// newRandomCalls makes calls to the workload of the scenario.
func newRandomCalls(seed uint64, s *rbacScenario, n int) []rbacCall {
	r := &random{Rand: rand.New(rand.NewPCG(seed, 8))}
	p := newPool(s.policies())
	out := make([]rbacCall, 0, n)
	for range n {
		c := rbacCall{Peer: pick(r, p.peers), Source: pick(r, p.ips), Port: rbacHTTP}
		if domain, rest, ok := strings.Cut(strings.TrimPrefix(c.Peer, "spiffe://"), "/"); ok && domain != "" && r.maybe(2) {
			// One that mesh-peer does not refuse.
			c.Peer = "spiffe://" + s.mesh.GetTrustDomain() + "/" + rest
		}
		ip := "10.9.9.9"
		if r.maybe(5) {
			ip = pick(r, []string{"10.1.2.3", "2001:db8::1"})
		}
		if c.Peer != "" && r.maybe(2) {
			c.SNI = pick(r, p.snis)
		}
		switch r.IntN(6) {
		case 0:
			c.TCP, c.Port = true, rbacTCP
		case 1:
			c.Port = rbacGRPC
		}
		c.Dest = fmt.Sprintf("%s:%d", ip, c.Port)
		if strings.Contains(ip, ":") {
			c.Dest = fmt.Sprintf("[%s]:%d", ip, c.Port)
		}
		if !c.TCP {
			c.Method, c.Host, c.Path = pick(r, p.methods), pick(r, p.hosts), pick(r, p.paths)
			for range r.times(0, 3) {
				h := [2]string{pick(r, p.names), pick(r, p.values)}
				if h[0] == "x-forwarded-for" {
					h[1] = pick(r, append([]string{"192.0.2.1, 10.1.2.3", "10.1.2.3,2001:db8::1", "10.1.2.3 ", "unknown"}, p.ips...))
					if slices.ContainsFunc(c.Headers, func(o [2]string) bool { return o[0] == h[0] }) {
						continue
					}
				}
				c.Headers = append(c.Headers, h)
			}
		}
		out = append(out, c)
	}
	return out
}
