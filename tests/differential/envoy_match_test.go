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
	"regexp"
	"strings"
	"sync"

	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcher "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
)

// findVirtualHost follows RouteMatcher::findVirtualHost: an exact domain, the longest "*x", the longest "x*", "*".
func findVirtualHost(rc *route.RouteConfiguration, host string) *route.VirtualHost {
	if rc.GetIgnorePortInHostMatching() {
		host = withoutPort(host)
	}
	host = asciiLower(host)
	var best, all *route.VirtualHost
	longest, bestIsSuffix := 0, false
	for _, vh := range rc.GetVirtualHosts() {
		for _, d := range vh.Domains {
			d = asciiLower(d)
			switch {
			case d == "*":
				all = vh
			case d == host:
				return vh
			case strings.HasPrefix(d, "*"):
				if len(host) >= len(d) && strings.HasSuffix(host, d[1:]) && (!bestIsSuffix || len(d) > longest) {
					best, longest, bestIsSuffix = vh, len(d), true
				}
			case strings.HasSuffix(d, "*"):
				if len(host) >= len(d) && strings.HasPrefix(host, d[:len(d)-1]) && !bestIsSuffix && len(d) > longest {
					best, longest = vh, len(d)
				}
			}
		}
	}
	if best != nil {
		return best
	}
	return all
}

// duplicateDomain is a domain that two virtual hosts have: Envoy refuses such a configuration as a whole.
func duplicateDomain(rc *route.RouteConfiguration) string {
	seen := map[string]bool{}
	for _, vh := range rc.GetVirtualHosts() {
		for _, d := range vh.Domains {
			if d = asciiLower(d); seen[d] {
				return d
			}
			seen[d] = true
		}
	}
	return ""
}

// withoutPort follows HeaderUtility::getPortStart.
func withoutPort(host string) string {
	colon := strings.LastIndexByte(host, ':')
	if colon < 0 || colon < strings.LastIndexByte(host, ']') {
		return host
	}
	return host[:colon]
}

func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// matchRoute is the first route of the virtual host that takes the call (VirtualHostImpl::getRouteFromEntries).
func matchRoute(vh *route.VirtualHost, c *call) *route.Route {
	for _, r := range vh.GetRoutes() {
		if matches(r.GetMatch(), c) {
			return r
		}
	}
	return nil
}

func matches(m *route.RouteMatch, c *call) bool {
	if !matchesPath(m, c.pathOnly()) || len(m.GetDynamicMetadata()) > 0 && !matchesNoMetadata(m.DynamicMetadata) {
		return false
	}
	for _, h := range m.GetHeaders() {
		if !matchesHeader(h, c) {
			return false
		}
	}
	for _, q := range m.GetQueryParameters() {
		v, ok := queryParameter(c.query(), q.Name)
		if !ok {
			return false
		}
		if s, is := q.QueryParameterMatchSpecifier.(*route.QueryParameterMatcher_StringMatch); is && !matchesString(s.StringMatch, v) {
			return false
		}
	}
	return true
}

// matchesNoMetadata is for requests without any metadata, as all are on their way out of a workload.
func matchesNoMetadata(list []*matcher.MetadataMatcher) bool {
	for _, m := range list {
		if !m.Invert {
			return false
		}
	}
	return true
}

func matchesPath(m *route.RouteMatch, p string) bool {
	fold := m.GetCaseSensitive() != nil && !m.GetCaseSensitive().GetValue()
	same := func(a, b string) bool {
		if fold {
			return asciiLower(a) == asciiLower(b)
		}
		return a == b
	}
	hasPrefix := func(prefix string) bool { return len(p) >= len(prefix) && same(p[:len(prefix)], prefix) }
	switch s := m.GetPathSpecifier().(type) {
	case *route.RouteMatch_Prefix:
		return hasPrefix(s.Prefix)
	case *route.RouteMatch_Path:
		return same(p, s.Path)
	case *route.RouteMatch_SafeRegex:
		return fullMatch(s.SafeRegex.GetRegex(), p)
	case *route.RouteMatch_PathSeparatedPrefix:
		return hasPrefix(s.PathSeparatedPrefix) && (len(p) == len(s.PathSeparatedPrefix) || p[len(s.PathSeparatedPrefix)] == '/')
	}
	return false
}

// matchesHeader follows HeaderUtility::HeaderDataBaseImpl.
func matchesHeader(h *route.HeaderMatcher, c *call) bool {
	v, there := headerValue(h.Name, c)
	switch s := h.GetHeaderMatchSpecifier().(type) {
	case *route.HeaderMatcher_PresentMatch:
		return (there == s.PresentMatch) != h.InvertMatch
	case *route.HeaderMatcher_StringMatch:
		if !there && !h.TreatMissingHeaderAsEmpty {
			return false
		}
		return matchesString(s.StringMatch, v) != h.InvertMatch
	}
	// No specifier asks for presence.
	return there != h.InvertMatch
}

func headerValue(name string, c *call) (string, bool) {
	switch strings.ToLower(name) {
	case ":method":
		return c.method, true
	case ":authority", "host":
		return c.host, true
	case ":path":
		return c.path, true
	case ":scheme", "x-forwarded-proto":
		return c.scheme(), true
	}
	v := c.values(name)
	return strings.Join(v, ","), len(v) > 0
}

func matchesString(m *matcher.StringMatcher, v string) bool {
	fold := func(s string) string { return s }
	if m.GetIgnoreCase() {
		fold = asciiLower
	}
	switch s := m.GetMatchPattern().(type) {
	case *matcher.StringMatcher_Exact:
		return fold(v) == fold(s.Exact)
	case *matcher.StringMatcher_Prefix:
		return strings.HasPrefix(fold(v), fold(s.Prefix))
	case *matcher.StringMatcher_SafeRegex:
		return fullMatch(s.SafeRegex.GetRegex(), v)
	}
	return false
}

// queryParameter follows QueryParamsMulti::parseQueryString: nothing is decoded, and the first one counts.
func queryParameter(query, name string) (string, bool) {
	for part := range strings.SplitSeq(strings.TrimPrefix(query, "?"), "&") {
		k, v, _ := strings.Cut(part, "=")
		if part != "" && k == name {
			return v, true
		}
	}
	return "", false
}

var compiled sync.Map

// fullMatch says whether the RE2 expression takes the whole value. Go has RE2's syntax.
func fullMatch(expr, v string) bool {
	re, ok := compiled.Load(expr)
	if !ok {
		c, err := regexp.Compile(`^(?:` + expr + `)\z`)
		if err != nil {
			c = nil
		}
		re, _ = compiled.LoadOrStore(expr, c)
	}
	c := re.(*regexp.Regexp)
	return c != nil && c.MatchString(v)
}
