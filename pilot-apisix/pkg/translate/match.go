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
	"net/url"
	"regexp"
	"strings"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// The nginx variables that conditions look at.
const (
	varPath      = "uri"
	varMethod    = "request_method"
	varScheme    = "scheme"
	varAuthority = "http_host"
	// varRequestTarget is the path with its query as it was sent; APISIX puts the normalised one into request_uri.
	varRequestTarget = "real_request_uri"
)

// match appends the conditions of m to t.exprs. It is false when one of them cannot be expressed, so that the route must
// not be there at all; the diagnostic has been made then.
func (t *translator) match(m *ir.Match, src ir.Source) bool {
	return t.path(m, src.At("uri")) &&
		t.value(varMethod, m.Method, src.At("method")) &&
		t.value(varScheme, m.Scheme, src.At("scheme")) &&
		t.value(varAuthority, m.Authority, src.At("authority")) &&
		t.headerMatches(m, src) &&
		t.without(m.WithoutHeaders, src) &&
		t.query(m.QueryParams, src)
}

func (t *translator) path(m *ir.Match, src ir.Source) bool {
	p := m.Path
	switch {
	case p == nil, p.Kind == ir.MatchPrefix && (p.Value == "/" || p.Value == ""), p.Kind == ir.MatchRegex && p.Value == ".*":
		return true
	case m.IgnorePathCase && p.Kind == ir.MatchExact:
		return t.append(apisix.Expr{Var: varPath, Op: apisix.OpMatchFold, Value: "^" + regexp.QuoteMeta(p.Value) + `\z`})
	case m.IgnorePathCase && p.Kind == ir.MatchPrefix:
		return t.append(apisix.Expr{Var: varPath, Op: apisix.OpMatchFold, Value: "^" + regexp.QuoteMeta(p.Value)})
	}
	return t.value(varPath, p, src)
}

func (t *translator) named(list []ir.NamedMatch, variable func(string) string, src ir.Source, field string) bool {
	for i := range list {
		if !t.value(variable(list[i].Name), &list[i].StringMatch, src.At(field+"["+list[i].Name+"]")) {
			return false
		}
	}
	return true
}

// headerNameBytes are those of the names that nginx lets in.
const headerNameBytes = "abcdefghijklmnopqrstuvwxyz0123456789-_"

// headerMatches appends the conditions on headers. nginx knows one variable for names that differ in "-" and "_" only.
func (t *translator) headerMatches(m *ir.Match, src ir.Source) bool {
	for _, list := range [][]ir.NamedMatch{m.Headers, m.WithoutHeaders} {
		for i := range list {
			name := list[i].Name
			switch {
			case name != "" && name[0] == ':':
			case strings.ContainsFunc(name, func(r rune) bool { return !strings.ContainsRune(headerNameBytes, r) }):
				t.diagnose(fidelity.HeaderNameDropped, src.At("headers["+name+"]"), "")
			case strings.Contains(name, "_"):
				t.diagnose(fidelity.HeaderUnderscore, src.At("headers["+name+"]"), "")
			}
		}
	}
	return t.named(m.Headers, headerVar, src, "headers")
}

// query appends the conditions on parameters, which APISIX decodes: where that can make a difference it is told of.
func (t *translator) query(list []ir.NamedMatch, src ir.Source) bool {
	for i := range list {
		m := &list[i]
		// A parameter without a value is true to APISIX, and empty to Envoy.
		if m.Kind == ir.MatchRegex || m.Kind == ir.MatchExact && m.Value == "" || m.Kind != ir.MatchPresent && !sameDecoded(m.Value) || !sameDecoded(m.Name) {
			t.diagnose(fidelity.QueryDecoded, src.At("queryParams["+m.Name+"]"), "")
		}
	}
	return t.named(list, queryVar, src, "queryParams")
}

// sameDecoded says that text has nothing that a query spells in another way.
func sameDecoded(text string) bool {
	return url.QueryEscape(text) == text
}

// without appends negated conditions. A missing header counts as an empty one: where an empty one would match, the header
// must be there.
func (t *translator) without(list []ir.NamedMatch, src ir.Source) bool {
	for i := range list {
		m := &list[i]
		e, ok := t.expr(headerVar(m.Name), &m.StringMatch, src.At("withoutHeaders["+m.Name+"]"))
		if !ok {
			return false
		}
		e.Not = true
		if m.Kind != ir.MatchPresent && matchesEmpty(&m.StringMatch) {
			t.exprs = append(t.exprs, present(e.Var))
		}
		t.exprs = append(t.exprs, e)
	}
	return true
}

// value appends the condition m on a variable; nil is none.
func (t *translator) value(variable string, m *ir.StringMatch, src ir.Source) bool {
	if m == nil {
		return true
	}
	e, ok := t.expr(variable, m, src)
	return ok && t.append(e)
}

func (t *translator) append(e apisix.Expr) bool {
	t.exprs = append(t.exprs, e)
	return true
}

func (t *translator) expr(variable string, m *ir.StringMatch, src ir.Source) (apisix.Expr, bool) {
	e := apisix.Expr{Var: variable, Op: apisix.OpMatch}
	switch m.Kind {
	case ir.MatchExact:
		e.Op, e.Value = apisix.OpEqual, m.Value
	case ir.MatchPrefix:
		e.Value = "^" + regexp.QuoteMeta(m.Value)
	case ir.MatchPathPrefix:
		e.Value = "^" + regexp.QuoteMeta(m.Value) + `(?:/|\z)`
	case ir.MatchPresent:
		e = present(variable)
	case ir.MatchRegex:
		pcre, err := fullMatchPCRE(m.Value)
		if err != nil {
			t.diagnose(fidelity.RegexNotCarried, src, "%q: %v", m.Value, err)
			return e, false
		}
		e.Value = pcre
	}
	return e, true
}

// present holds when the variable has a value, be it empty.
func present(variable string) apisix.Expr {
	return apisix.Expr{Var: variable, Op: apisix.OpMatch, Value: "^"}
}

func matchesEmpty(m *ir.StringMatch) bool {
	switch m.Kind {
	case ir.MatchExact, ir.MatchPrefix:
		return m.Value == ""
	case ir.MatchRegex:
		re, err := regexp.Compile("^(?:" + m.Value + `)\z`)
		return err == nil && re.MatchString("")
	}
	return false
}

// headerVar is the variable of a header: nginx's $http_ variables are lower case with underscores.
func headerVar(name string) string {
	switch name {
	case ":method":
		return varMethod
	case ":authority":
		return varAuthority
	case ":scheme":
		return varScheme
	case ":path":
		return varRequestTarget
	}
	return "http_" + strings.ReplaceAll(strings.ToLower(name), "-", "_")
}

// queryVar is the variable of a query parameter.
func queryVar(name string) string {
	return "arg_" + name
}
