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

package translate

import (
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// meshRBAC lets in whom policies allow; nil where there are none.
func meshRBAC(a *ir.Authorization) apisix.Plugin {
	if a == nil {
		return nil
	}
	out := &apisix.MeshRBAC{Deny: rbacRules(a.Deny), HTTP2: a.HTTP2}
	if a.Restricted {
		out.Allow = rbacRules(a.Allow)
	}
	if a.Normalization != ir.NormalizeBase {
		out.Normalization = string(a.Normalization)
	}
	return out
}

// withRBAC are the conditions of the routes of an inbound virtual host, which must not be served without the plugin.
func withRBAC(h *ir.VirtualHost, where []apisix.Expr) []apisix.Expr {
	if h.Authorization == nil {
		return where
	}
	return append(where, apisix.Expr{Var: apisix.VarRBAC, Op: apisix.OpEqual, Value: "1"})
}

// rbacPriority makes room below the routes of inbound virtual hosts for one that refuses: what APISIX does not serve, for it lacks
// the plugin or does not take its configuration, must not come to the route for every request.
func (t *translator) rbacPriority(h *ir.VirtualHost, route *apisix.Route, rank int, hosts []string, where []apisix.Expr) {
	if h.Authorization == nil {
		return
	}
	if h.Port != 0 {
		route.Priority = rank
		return
	}
	route.Priority = 0
	exprs := t.exprs
	t.exprs = nil
	t.notFound(h, hosts, where)
	t.exprs = exprs
}

func rbacRules(in []ir.AuthorizationRule) []apisix.RBACRule {
	out := make([]apisix.RBACRule, 0, len(in))
	for i := range in {
		out = append(out, apisix.RBACRule{Name: in[i].Name, From: rbacConditions(in[i].From), To: rbacConditions(in[i].To)})
	}
	return out
}

// rbacConditions has nothing where one of the conjunctions takes everything.
func rbacConditions(in [][]ir.AuthorizationCondition) [][]apisix.RBACCondition {
	out := make([][]apisix.RBACCondition, 0, len(in))
	for _, list := range in {
		if len(list) == 0 {
			return nil
		}
		all := make([]apisix.RBACCondition, 0, len(list))
		for i := range list {
			all = append(all, rbacCondition(&list[i]))
		}
		out = append(out, all)
	}
	return out
}

func rbacCondition(c *ir.AuthorizationCondition) apisix.RBACCondition {
	out := apisix.RBACCondition{
		Attribute: c.Attribute, Claim: c.Claim, Header: c.Header, Not: c.Not, Port: c.Ports, Template: c.Templates, RBACStrings: rbacStrings(&c.AuthorizationStrings),
	}
	for _, p := range c.CIDRs {
		out.CIDR = append(out.CIDR, p.String())
	}
	for i := range c.Tokens {
		out.Token = append(out.Token, apisix.RBACToken{Issuer: rbacStrings(&c.Tokens[i].Issuer), Subject: rbacStrings(&c.Tokens[i].Subject)})
	}
	return out
}

func rbacStrings(s *ir.AuthorizationStrings) apisix.RBACStrings {
	out := apisix.RBACStrings{
		DomainPrefix: s.DomainPrefixes, DomainSuffix: s.DomainSuffixes, Exact: s.Exact, Prefix: s.Prefixes, Present: s.Present, Suffix: s.Suffixes,
	}
	for _, g := range s.Globs {
		out.Glob = append(out.Glob, apisix.RBACGlob{Gaps: g.Gaps, Parts: g.Parts})
	}
	return out
}
