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

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/jwt"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// match reads a match condition (TranslateRouteMatch). It is false when the condition can never hold.
func (r *routeBuilder) match(m *networking.HTTPMatchRequest, src ir.Source) (ir.Match, bool) {
	if m == nil {
		return ir.Match{}, true
	}
	if m.StatPrefix != "" {
		r.diagnose(fidelity.StatPrefixNotCarried, src.At("statPrefix"), "")
	}
	for name := range m.Headers {
		if jwt.ToRoutingClaim(name).Match {
			// Claims are known where a token was verified, which is never the case on the way out of a workload.
			r.diagnose(fidelity.JWTClaimMatchNotCarried, src.At("headers["+name+"]"), "")
			return ir.Match{}, false
		}
	}
	out := ir.Match{
		Path:           stringMatch(m.Uri),
		IgnorePathCase: m.IgnoreUriCase,
		Method:         stringMatch(m.Method),
		Scheme:         stringMatch(m.Scheme),
		Authority:      stringMatch(m.Authority),
		Headers:        headerMatches(m.Headers),
		WithoutHeaders: headerMatches(m.WithoutHeaders),
		QueryParams:    namedMatches(m.QueryParams, func(s string) string { return s }),
	}
	if p := out.Path; p != nil && p.Kind == ir.MatchPrefix && p.Value != "/" &&
		(model.UseGatewaySemantics(*r.vs) || model.UseIngressSemantics(*r.vs)) {
		p.Kind, p.Value = ir.MatchPathPrefix, strings.TrimSuffix(p.Value, "/")
	}
	if p := out.Path; p != nil && p.Kind == ir.MatchPresent {
		// Envoy's default for a path is the prefix "/".
		out.Path = nil
	}
	return out, true
}

func headerMatches(in map[string]*networking.StringMatch) []ir.NamedMatch {
	return namedMatches(in, strings.ToLower)
}

// namedMatches sorts the conditions by name. Claims are left out: see match.
func namedMatches(in map[string]*networking.StringMatch, normalize func(string) string) []ir.NamedMatch {
	if len(in) == 0 {
		return nil
	}
	out := make([]ir.NamedMatch, 0, len(in))
	for name, m := range in {
		if jwt.ToRoutingClaim(name).Match {
			continue
		}
		s := stringMatch(m)
		if s == nil {
			s = &ir.StringMatch{Kind: ir.MatchPresent}
		}
		out = append(out, ir.NamedMatch{Name: normalize(name), StringMatch: *s})
	}
	slices.SortFunc(out, func(a, b ir.NamedMatch) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Value, b.Value))
	})
	return out
}

// stringMatch reads a StringMatch; an absent one is nil. The regex "*" is Istio's way to ask for presence.
func stringMatch(m *networking.StringMatch) *ir.StringMatch {
	if m == nil {
		return nil
	}
	switch t := m.MatchType.(type) {
	case *networking.StringMatch_Exact:
		return &ir.StringMatch{Kind: ir.MatchExact, Value: t.Exact}
	case *networking.StringMatch_Prefix:
		return &ir.StringMatch{Kind: ir.MatchPrefix, Value: t.Prefix}
	case *networking.StringMatch_Regex:
		if t.Regex == "*" {
			return &ir.StringMatch{Kind: ir.MatchPresent}
		}
		return &ir.StringMatch{Kind: ir.MatchRegex, Value: t.Regex}
	}
	return &ir.StringMatch{Kind: ir.MatchPresent}
}
