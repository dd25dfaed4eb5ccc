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
	"maps"
	"slices"

	networking "istio.io/api/networking/v1alpha3"
)

func exact(v string) *networking.StringMatch {
	return &networking.StringMatch{MatchType: &networking.StringMatch_Exact{Exact: v}}
}

func prefix(v string) *networking.StringMatch {
	return &networking.StringMatch{MatchType: &networking.StringMatch_Prefix{Prefix: v}}
}

func regex(v string) *networking.StringMatch {
	return &networking.StringMatch{MatchType: &networking.StringMatch_Regex{Regex: v}}
}

var (
	paths = []string{
		"/", "/a", "/a/", "/a/b", "/api", "/api/", "/api/v1", "/api/v1/users", "/A", "/Api", "/x.y", "/a+b", "/a(b", "/users", "/static/", "/~u", "/a$", "/a:b", "/*",
	}
	pathRegexes = []string{
		".*", "/.*", "/a.*", "/api/v[0-9]+", "/api/v\\d+/.*", "/(a|b)", "/a|/b", "^/a$", "/[^/]+", "/[^/]*/b", "(?i)/api", "/a{2,3}", "/x\\.y", "/\\w+", "/a?",
		"/users/(?P<id>\\d+)", "/[a-z]+(/.*)?", "/(?:a|api)/.*", "/a\\b.*", "/\\S+", "/$", "//", "/a\\z", "/.+\\.(js|css)",
	}
	headerNames   = []string{"x-a", "x-b", "X-Case", "end-user", "x_under", "user-agent", "cookie", "x-a-b", "x-a_b", "content-type", "authorization", "host", ":authority", ":method", ":path", "@request.auth.claims.sub"}
	headerValues  = []string{"v", "jason", "abc", "1", "a.c", "V", "a,b", "v w", "x=1", "é"}
	valueRegexes  = []string{".*", ".+", "a.c", "v[0-9]", "(?i)jason", "on|off", "[^;]*", "^v$", "\\d+", "a*", ".*=1.*", "v$", "\\w+( \\w+)*"}
	queryNames    = []string{"q", "k", "a-b", "A", "a_b", "x.y"}
	methods       = []string{"GET", "POST", "OPTIONS", "PUT", "HEAD"}
	authorities   = []string{"a.example", "a.example:80", "a", "A.example", "a.default", "a.example:8080"}
	authorityExpr = []string{"a\\.example", "a\\.example(:\\d+)?", ".*", "(?i)A.EXAMPLE", "a.*"}
)

// match is a condition of one to a few parts.
func (r *random) match() *networking.HTTPMatchRequest {
	m := &networking.HTTPMatchRequest{}
	if !r.maybe(4) {
		m.Uri = r.stringMatch(paths, pathRegexes)
		m.IgnoreUriCase = r.maybe(6)
	}
	if r.maybe(4) {
		m.Headers = r.namedMatches(headerNames, headerValues, valueRegexes)
	}
	if r.maybe(8) {
		m.WithoutHeaders = r.namedMatches(headerNames, headerValues, valueRegexes)
	}
	if r.maybe(6) {
		m.QueryParams = r.namedMatches(queryNames, headerValues, valueRegexes)
	}
	if r.maybe(8) {
		m.Method = r.stringMatch(methods, []string{"GET|POST", "P.*", "(?i)get", ".*T"})
	}
	if r.maybe(14) {
		m.Authority = r.stringMatch(authorities, authorityExpr)
	}
	if r.maybe(20) {
		m.Scheme = r.stringMatch([]string{"http", "https"}, []string{"https?", ".*"})
	}
	if r.maybe(8) {
		m.Port = pick(r, []uint32{80, 8080, 9090})
	}
	if r.maybe(10) {
		m.SourceLabels = map[string]string{"app": pick(r, []string{"a", "b"})}
	}
	if r.maybe(12) {
		m.SourceNamespace = pick(r, namespaces)
	}
	if r.maybe(14) {
		m.Gateways = pick(r, [][]string{{"mesh"}, {"default/gw"}, {"mesh", "default/gw"}})
	}
	if r.maybe(12) {
		m.Name = "m" + r.name()
	}
	return m
}

func (r *random) stringMatch(values, expressions []string) *networking.StringMatch {
	switch r.IntN(3) {
	case 0:
		return exact(pick(r, values))
	case 1:
		return prefix(pick(r, values))
	}
	return regex(pick(r, expressions))
}

func (r *random) namedMatches(names, values, expressions []string) map[string]*networking.StringMatch {
	out := map[string]*networking.StringMatch{}
	for range r.times(1, 2) {
		m := r.stringMatch(values, expressions)
		switch r.IntN(8) {
		case 0:
			m = &networking.StringMatch{}
		case 1:
			m = exact("")
		case 2:
			m = regex("*")
		}
		out[pick(r, names)] = m
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
