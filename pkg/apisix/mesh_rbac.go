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

package apisix

import "strconv"

// MeshRBAC is the plugin mesh-rbac: who may send requests, or make connections. What a rule of Deny takes is refused, and what none
// of Allow takes, where Allow is not nil.
type MeshRBAC struct {
	Allow []RBACRule `json:"allow"`
	Deny  []RBACRule `json:"deny"`
	// HTTP2 says that requests are forwarded by HTTP/2, where a normalised path cannot take the place of the one that was sent.
	HTTP2 bool `json:"http2"`
	// Normalization is MeshConfig's, of paths; empty for BASE.
	Normalization string `json:"normalization"`
}

// RBACRule takes what one of From and one of To take. Each of these is a conjunction; none at all take everything.
type RBACRule struct {
	From [][]RBACCondition `json:"from"`
	Name string            `json:"name"`
	To   [][]RBACCondition `json:"to"`
}

// RBACCondition holds when the attribute has one of the values, or with Not when it has none of them.
type RBACCondition struct {
	Attribute string `json:"attribute"`
	// CIDR are for addresses.
	CIDR []string `json:"cidr"`
	// Claim is the path to a claim.
	Claim []string `json:"claim"`
	// Header is in lower case.
	Header string `json:"header"`
	Not    bool   `json:"not"`
	// Port are for ports.
	Port []int `json:"port"`
	// Template are for paths, with the operators {*} and {**}.
	Template []string `json:"template"`
	// Token are for the attribute request.auth.principal.
	Token []RBACToken `json:"token"`
	RBACStrings
}

// RBACStrings are for strings. Those of a host are in lower case.
type RBACStrings struct {
	// DomainPrefix and DomainSuffix are those of a trust domain.
	DomainPrefix []string   `json:"domain_prefix"`
	DomainSuffix []string   `json:"domain_suffix"`
	Exact        []string   `json:"exact"`
	Glob         []RBACGlob `json:"glob"`
	Prefix       []string   `json:"prefix"`
	// Present takes every header, and every other string that is not empty.
	Present bool     `json:"present"`
	Suffix  []string `json:"suffix"`
}

// RBACGlob is a text with any characters between the parts, as many as the gaps say or more.
type RBACGlob struct {
	Gaps  []int    `json:"gaps"`
	Parts []string `json:"parts"`
}

// RBACToken is a request's token.
type RBACToken struct {
	Issuer  RBACStrings `json:"issuer"`
	Subject RBACStrings `json:"subject"`
}

// PluginName implements Plugin.
func (*MeshRBAC) PluginName() string { return "mesh-rbac" }

// AppendJSON implements Plugin.
func (p *MeshRBAC) AppendJSON(b []byte) []byte {
	o := beginObject(b)
	if p.Allow != nil {
		o.key("allow")
		o.b = appendList(o.b, p.Allow, appendRule)
	}
	if len(p.Deny) > 0 {
		o.key("deny")
		o.b = appendList(o.b, p.Deny, appendRule)
	}
	o.bool("http2", p.HTTP2)
	o.string("normalization", p.Normalization)
	return o.end()
}

func appendRule(b []byte, r *RBACRule) []byte {
	o := beginObject(b)
	for _, side := range []struct {
		key  string
		list [][]RBACCondition
	}{{"from", r.From}, {"name", nil}, {"to", r.To}} {
		if side.key == "name" {
			o.string("name", r.Name)
		} else if len(side.list) > 0 {
			o.key(side.key)
			o.b = appendList(o.b, side.list, func(b []byte, c *[]RBACCondition) []byte { return appendList(b, *c, appendCondition) })
		}
	}
	return o.end()
}

func appendCondition(b []byte, c *RBACCondition) []byte {
	o := beginObject(b)
	o.string("attribute", c.Attribute)
	o.strings("cidr", c.CIDR)
	o.strings("claim", c.Claim)
	c.first(&o)
	o.string("header", c.Header)
	o.bool("not", c.Not)
	if len(c.Port) > 0 {
		o.key("port")
		o.b = appendInts(o.b, c.Port)
	}
	c.middle(&o)
	o.strings("template", c.Template)
	if len(c.Token) > 0 {
		o.key("token")
		o.b = appendList(o.b, c.Token, appendToken)
	}
	return o.end()
}

// first and middle are the members in front of "header", and those in front of "template".
func (s *RBACStrings) first(o *object) {
	o.strings("domain_prefix", s.DomainPrefix)
	o.strings("domain_suffix", s.DomainSuffix)
	o.strings("exact", s.Exact)
	if len(s.Glob) > 0 {
		o.key("glob")
		o.b = appendList(o.b, s.Glob, appendGlob)
	}
}

func (s *RBACStrings) middle(o *object) {
	o.strings("prefix", s.Prefix)
	o.bool("present", s.Present)
	o.strings("suffix", s.Suffix)
}

func appendGlob(b []byte, g *RBACGlob) []byte {
	o := beginObject(b)
	o.key("gaps")
	o.b = appendInts(o.b, g.Gaps)
	o.key("parts")
	o.b = AppendStrings(o.b, g.Parts)
	return o.end()
}

func appendToken(b []byte, t *RBACToken) []byte {
	o := beginObject(b)
	for _, m := range []struct {
		key string
		s   *RBACStrings
	}{{"issuer", &t.Issuer}, {"subject", &t.Subject}} {
		o.key(m.key)
		v := beginObject(o.b)
		m.s.first(&v)
		m.s.middle(&v)
		o.b = v.end()
	}
	return o.end()
}

func appendInts(b []byte, list []int) []byte {
	b = append(b, '[')
	for i, n := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(n), 10)
	}
	return append(b, ']')
}

func appendList[T any](b []byte, list []T, add func([]byte, *T) []byte) []byte {
	b = append(b, '[')
	for i := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = add(b, &list[i])
	}
	return append(b, ']')
}
