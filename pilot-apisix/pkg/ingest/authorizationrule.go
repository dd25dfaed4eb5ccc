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
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	security "istio.io/api/security/v1beta1"
	"istio.io/istio/pilot/pkg/features"
	"istio.io/istio/pilot/pkg/networking/util"
	configsecurity "istio.io/istio/pkg/config/security"
	"istio.io/istio/pkg/spiffe"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// from makes a conjunction for each source, with what the conditions of the rule ask of it.
func (c *authorizationCompiler) from(list []*security.Rule_From, base []ir.AuthorizationCondition) ([][]ir.AuthorizationCondition, bool) {
	if len(list) == 0 {
		return [][]ir.AuthorizationCondition{base}, true
	}
	var out [][]ir.AuthorizationCondition
	for i, f := range list {
		s := f.GetSource()
		at := "from[" + strconv.Itoa(i) + "].source."
		own, ok := c.conditions([]term{
			c.principals(at+"principals", s.GetPrincipals(), s.GetNotPrincipals()),
			requestPrincipals(at+"requestPrincipals", s.GetRequestPrincipals(), s.GetNotRequestPrincipals()),
			c.serviceAccounts(at+"serviceAccounts", s.GetServiceAccounts(), s.GetNotServiceAccounts()),
			c.trustDomains(at+"trustDomains", s.GetTrustDomains(), s.GetNotTrustDomains()),
			namespaces(at+"namespaces", s.GetNamespaces(), s.GetNotNamespaces()),
			addresses(at+"remoteIpBlocks", c.remoteIP(), s.GetRemoteIpBlocks(), s.GetNotRemoteIpBlocks()),
			addresses(at+"ipBlocks", ir.AttributeSourceIP, s.GetIpBlocks(), s.GetNotIpBlocks()),
		})
		if !ok {
			return nil, false
		}
		out = append(out, slices.Concat(own, base))
	}
	return out, true
}

// to makes a conjunction for each operation, with what the conditions of the rule ask of it.
func (c *authorizationCompiler) to(list []*security.Rule_To, base []ir.AuthorizationCondition) ([][]ir.AuthorizationCondition, bool) {
	if len(list) == 0 {
		return [][]ir.AuthorizationCondition{base}, true
	}
	var out [][]ir.AuthorizationCondition
	for i, t := range list {
		o := t.GetOperation()
		at := "to[" + strconv.Itoa(i) + "].operation."
		own, ok := c.conditions([]term{
			{
				field: at + "hosts", values: o.GetHosts(), notValues: o.GetNotHosts(), http: true,
				into: ir.AuthorizationCondition{Attribute: ir.AttributeHost},
				add:  func(c *ir.AuthorizationCondition, v string) error { return stringValue(c, strings.ToLower(v)) },
			},
			{
				field: at + "methods", values: o.GetMethods(), notValues: o.GetNotMethods(), http: true,
				into: ir.AuthorizationCondition{Attribute: ir.AttributeMethod}, add: stringValue,
			},
			{
				field: at + "paths", values: o.GetPaths(), notValues: o.GetNotPaths(), http: true,
				into: ir.AuthorizationCondition{Attribute: ir.AttributePath}, add: pathValue,
			},
			ports(at+"ports", o.GetPorts(), o.GetNotPorts()),
		})
		if !ok {
			return nil, false
		}
		out = append(out, slices.Concat(own, base))
	}
	return out, true
}

// when parts the conditions of a rule into those on operations and those on sources. A key that Istio does not know makes the
// rule invalid, whatever it does.
func (c *authorizationCompiler) when(list []*security.Condition) (to, from []ir.AuthorizationCondition, ok bool) {
	var toTerms, fromTerms []term
	for i, w := range list {
		at := "when[" + strconv.Itoa(i) + "]"
		k, v, n := w.GetKey(), w.GetValues(), w.GetNotValues()
		switch {
		case k == "destination.ip":
			toTerms = append(toTerms, addresses(at, ir.AttributeDestinationIP, v, n))
		case k == "destination.port":
			toTerms = append(toTerms, ports(at, v, n))
		case k == "connection.sni":
			c.told(fidelity.AuthorizationServerName.At(c.source.At(at), ""))
			toTerms = append(toTerms, term{field: at, values: v, notValues: n, into: ir.AuthorizationCondition{Attribute: ir.AttributeSNI}, add: stringValue})
		case strings.HasPrefix(k, "experimental.envoy.filters."):
			toTerms = append(toTerms, term{field: at, values: v, notValues: n, add: func(*ir.AuthorizationCondition, string) error {
				return unknownValue(k + " is of Envoy's filters")
			}})
		case k == "source.ip":
			fromTerms = append(fromTerms, addresses(at, ir.AttributeSourceIP, v, n))
		case k == "remote.ip":
			fromTerms = append(fromTerms, addresses(at, c.remoteIP(), v, n))
		case k == "source.namespace":
			fromTerms = append(fromTerms, namespaces(at, v, n))
		case k == "source.trustDomain":
			fromTerms = append(fromTerms, c.trustDomains(at, v, n))
		case k == "source.serviceAccount":
			fromTerms = append(fromTerms, c.serviceAccounts(at, v, n))
		case k == "source.principal":
			fromTerms = append(fromTerms, c.principals(at, v, n))
		case k == "request.auth.principal":
			fromTerms = append(fromTerms, requestPrincipals(at, v, n))
		case k == "request.auth.audiences":
			fromTerms = append(fromTerms, claims(at, []string{"aud"}, v, n))
		case k == "request.auth.presenter":
			fromTerms = append(fromTerms, claims(at, []string{"azp"}, v, n))
		case strings.HasPrefix(k, "request.headers"):
			fromTerms = append(fromTerms, headerTerm(at, strings.TrimPrefix(k, "request.headers"), v, n))
		case strings.HasPrefix(k, "request.auth.claims"):
			path, err := claimPath(strings.TrimPrefix(k, "request.auth.claims"))
			t := claims(at, path, v, n)
			if err != nil {
				t.add = func(*ir.AuthorizationCondition, string) error { return err }
			}
			fromTerms = append(fromTerms, t)
		default:
			return nil, nil, false
		}
	}
	if to, ok = c.conditions(toTerms); !ok {
		return nil, nil, false
	}
	from, ok = c.conditions(fromTerms)
	return to, from, ok
}

// remoteIP is the attribute for the client's address behind proxies.
func (c *authorizationCompiler) remoteIP() string {
	if features.UseRemoteAddress || c.tcp {
		return ir.AttributeSourceIP
	}
	return ir.AttributeRemoteIP
}

func addresses(field, attribute string, values, notValues []string) term {
	return term{
		field: field, values: values, notValues: notValues, into: ir.AuthorizationCondition{Attribute: attribute},
		add: func(c *ir.AuthorizationCondition, v string) error {
			p, err := util.AddrStrToPrefix(v)
			if err == nil {
				c.CIDRs = append(c.CIDRs, p.Masked())
			}
			return err
		},
	}
}

func ports(field string, values, notValues []string) term {
	return term{
		field: field, values: values, notValues: notValues, into: ir.AuthorizationCondition{Attribute: ir.AttributeDestinationPort},
		add: func(c *ir.AuthorizationCondition, v string) error {
			p, err := strconv.ParseUint(v, 10, 16)
			if err == nil {
				c.Ports = append(c.Ports, int(p))
			}
			return err
		},
	}
}

// principals takes what is in front of a "*", or behind it, as part of a SPIFFE id.
func (c *authorizationCompiler) principals(field string, values, notValues []string) term {
	t := term{field: field, into: ir.AuthorizationCondition{Attribute: ir.AttributePrincipal}, add: func(c *ir.AuthorizationCondition, v string) error {
		switch {
		case v == "*":
			c.Present = true
		case strings.HasPrefix(v, "*"):
			c.Globs = append(c.Globs, ir.AuthorizationGlob{Parts: []string{spiffe.URIPrefix, v[1:]}, Gaps: []int{0}})
		case strings.HasSuffix(v, "*"):
			c.Prefixes = append(c.Prefixes, spiffe.URIPrefix+strings.TrimSuffix(v, "*"))
		default:
			c.Exact = append(c.Exact, spiffe.URIPrefix+v)
		}
		return nil
	}}
	if len(values) > 0 {
		t.values = c.bundle.ReplaceTrustDomainAliases(values)
	}
	if len(notValues) > 0 {
		t.notValues = c.bundle.ReplaceTrustDomainAliases(notValues)
	}
	return t
}

// namespaces may have a "*" anywhere. Istio's expression is ".*/ns/NAMESPACE/.*".
func namespaces(field string, values, notValues []string) term {
	return term{
		field: field, values: values, notValues: notValues, into: ir.AuthorizationCondition{Attribute: ir.AttributePrincipal},
		add: func(c *ir.AuthorizationCondition, v string) error {
			parts := strings.Split(v, "*")
			parts[0] = "/ns/" + parts[0]
			parts[len(parts)-1] += "/"
			c.Globs = append(c.Globs, ir.AuthorizationGlob{Parts: slices.Concat([]string{""}, parts, []string{""}), Gaps: make([]int, len(parts)+1)})
			return nil
		},
	}
}

// serviceAccounts are names, or namespaces and names. Istio's expression is "spiffe://.+/ns/NAMESPACE/(.+/|)sa/NAME(/.+)?".
func (c *authorizationCompiler) serviceAccounts(field string, values, notValues []string) term {
	own := c.policyOf.Namespace
	return term{
		field: field, values: values, notValues: notValues, into: ir.AuthorizationCondition{Attribute: ir.AttributePrincipal},
		add: func(c *ir.AuthorizationCondition, v string) error {
			ns, name, ok := strings.Cut(v, "/")
			if !ok {
				ns, name = own, v
			}
			const p = spiffe.URIPrefix
			c.Globs = append(c.Globs,
				ir.AuthorizationGlob{Parts: []string{p, "/ns/" + ns + "/sa/" + name}, Gaps: []int{1}},
				ir.AuthorizationGlob{Parts: []string{p, "/ns/" + ns + "/sa/" + name + "/", ""}, Gaps: []int{1, 1}},
				ir.AuthorizationGlob{Parts: []string{p, "/ns/" + ns + "/", "/sa/" + name}, Gaps: []int{1, 1}},
				ir.AuthorizationGlob{Parts: []string{p, "/ns/" + ns + "/", "/sa/" + name + "/", ""}, Gaps: []int{1, 1, 1}},
			)
			return nil
		},
	}
}

func (c *authorizationCompiler) trustDomains(field string, values, notValues []string) term {
	t := term{field: field, into: ir.AuthorizationCondition{Attribute: ir.AttributePrincipal}, add: func(c *ir.AuthorizationCondition, v string) error {
		before, after, wild := strings.Cut(v, "*")
		switch {
		case v == "*":
			c.Prefixes = append(c.Prefixes, spiffe.URIPrefix)
		case !wild:
			c.Prefixes = append(c.Prefixes, spiffe.URIPrefix+v+"/")
		case strings.Contains(v, "/") || before != "" && after != "" || strings.Contains(after, "*"):
			return unknownValue(fmt.Sprintf("%q is no trust domain", v))
		case before != "":
			c.DomainPrefixes = append(c.DomainPrefixes, before)
		default:
			c.DomainSuffixes = append(c.DomainSuffixes, after)
		}
		return nil
	}}
	if len(values) > 0 {
		t.values = c.bundle.ExpandTrustDomainAliases(values)
	}
	if len(notValues) > 0 {
		t.notValues = c.bundle.ExpandTrustDomainAliases(notValues)
	}
	return t
}

// stringValue is what StringMatcher and HeaderMatcher of Istio make of a value. "*" is any header, and any other string but an empty one.
func stringValue(c *ir.AuthorizationCondition, v string) error {
	addString(&c.AuthorizationStrings, v)
	return nil
}

func addString(s *ir.AuthorizationStrings, v string) {
	switch {
	case v == "*":
		s.Present = true
	case strings.HasPrefix(v, "*"):
		s.Suffixes = append(s.Suffixes, v[1:])
	case strings.HasSuffix(v, "*"):
		s.Prefixes = append(s.Prefixes, v[:len(v)-1])
	default:
		s.Exact = append(s.Exact, v)
	}
}

// pathValue takes templates besides. Envoy refuses a configuration with one that is not valid.
func pathValue(c *ir.AuthorizationCondition, v string) error {
	if !configsecurity.ContainsPathTemplate(v) {
		return stringValue(c, v)
	}
	err := configsecurity.CheckValidPathTemplate("paths", []string{v})
	for segment := range strings.SplitSeq(strings.TrimSuffix(strings.TrimPrefix(v, "/"), "/"), "/") {
		if segment == "" {
			err = errors.New("it has an empty segment")
		}
	}
	if err != nil || !strings.HasPrefix(v, "/") {
		return unknownValue(fmt.Sprintf("%q is no valid template", v))
	}
	c.Templates = append(c.Templates, v)
	return nil
}

// requestPrincipals are the issuer and the subject of a token, with a slash between them. An issuer may have slashes itself.
func requestPrincipals(field string, values, notValues []string) term {
	return term{
		field: field, values: values, notValues: notValues, into: ir.AuthorizationCondition{Attribute: ir.AttributeRequestPrincipal}, http: true,
		add: func(c *ir.AuthorizationCondition, v string) error {
			c.Tokens = append(c.Tokens, requestPrincipal(v))
			return nil
		},
	}
}

func requestPrincipal(v string) ir.AuthorizationToken {
	anything := ir.AuthorizationStrings{Present: true}
	iss, sub, found := v, "", false
	if i := strings.LastIndexByte(v, '/'); i >= 0 {
		iss, sub, found = v[:i], v[i+1:], true
	}
	exact := func(v string) ir.AuthorizationStrings { return ir.AuthorizationStrings{Exact: []string{v}} }
	suffix := func(v string) ir.AuthorizationStrings {
		return ir.AuthorizationStrings{Suffixes: []string{strings.TrimPrefix(v, "*")}}
	}
	prefix := func(v string) ir.AuthorizationStrings {
		return ir.AuthorizationStrings{Prefixes: []string{strings.TrimSuffix(v, "*")}}
	}
	switch {
	case v == "*":
		return ir.AuthorizationToken{Issuer: anything, Subject: anything}
	case strings.HasPrefix(v, "*") && !found:
		return ir.AuthorizationToken{Issuer: anything, Subject: suffix(v)}
	case strings.HasPrefix(v, "*"):
		if iss == "*" {
			return ir.AuthorizationToken{Issuer: anything, Subject: exact(sub)}
		}
		return ir.AuthorizationToken{Issuer: suffix(iss), Subject: exact(sub)}
	case strings.HasSuffix(v, "*") && !found:
		return ir.AuthorizationToken{Issuer: prefix(v), Subject: anything}
	case strings.HasSuffix(v, "*"):
		if sub == "*" {
			return ir.AuthorizationToken{Issuer: exact(iss), Subject: anything}
		}
		return ir.AuthorizationToken{Issuer: exact(iss), Subject: prefix(sub)}
	}
	return ir.AuthorizationToken{Issuer: exact(iss), Subject: exact(sub)}
}

// claims are those of the request's token: a string, or a list of which one is it.
func claims(field string, path, values, notValues []string) term {
	return term{
		field: field, values: values, notValues: notValues, http: true,
		into: ir.AuthorizationCondition{Attribute: ir.AttributeClaim, Claim: path}, add: stringValue,
	}
}

// claimPath is the name of a claim, "[a]", or those on the way to it, "[a][b]". Brackets that do not fit make it one name.
func claimPath(key string) ([]string, error) {
	if len(key) < 2 || key[0] != '[' || key[len(key)-1] != ']' {
		return nil, fmt.Errorf("%q is not in brackets", key)
	}
	parts := strings.Split(key[1:len(key)-1], "][")
	if slices.ContainsFunc(parts, func(p string) bool { return strings.ContainsAny(p, "[]") }) {
		return []string{key[1 : len(key)-1]}, nil
	}
	return parts, nil
}

// headerTerm is a condition on the header in brackets.
func headerTerm(field, key string, values, notValues []string) term {
	t := term{field: field, values: values, notValues: notValues, http: true, add: stringValue}
	if len(key) < 2 || key[0] != '[' || key[len(key)-1] != ']' {
		t.add = func(*ir.AuthorizationCondition, string) error { return fmt.Errorf("%q is not in brackets", key) }
		return t
	}
	name := strings.ToLower(key[1 : len(key)-1])
	switch {
	case name == ":method":
		t.into = ir.AuthorizationCondition{Attribute: ir.AttributeMethod}
	case name == ":authority":
		t.into = ir.AuthorizationCondition{Attribute: ir.AttributeHeader, Header: "host"}
	case unknownHeader(name):
		t.add = func(*ir.AuthorizationCondition, string) error {
			return unknownValue(fmt.Sprintf("the header %q is not there as it is with Envoy", name))
		}
	default:
		t.into = ir.AuthorizationCondition{Attribute: ir.AttributeHeader, Header: name}
	}
	return t
}

// ownHeaders are those that Envoy, or APISIX, writes itself before it looks at a request, or that only say how it came.
var ownHeaders = []string{
	"connection", "content-length", "expect", "forwarded", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
	"x-forwarded-client-cert", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto", "x-request-id",
}

// unknownHeader says that a header is not with us what it is with Envoy. nginx drops those with other characters in their names.
func unknownHeader(name string) bool {
	if slices.Contains(ownHeaders, name) || strings.HasPrefix(name, "x-envoy-") || name == "" {
		return true
	}
	return strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	})
}
