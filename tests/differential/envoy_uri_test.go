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

	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
)

// matchedPath is the part of the path that a rewrite of the prefix replaces (RouteEntryImplBase's subclasses): the prefix, and
// everything after any other match.
func matchedPath(m *route.RouteMatch, c *call) string {
	switch s := m.GetPathSpecifier().(type) {
	case *route.RouteMatch_Prefix:
		return s.Prefix
	case *route.RouteMatch_PathSeparatedPrefix:
		return s.PathSeparatedPrefix
	}
	return c.pathOnly()
}

// rewritten is the path and query that the destination gets.
func rewritten(r *route.Route, c *call) string {
	a := r.GetRoute()
	switch {
	case a.GetPrefixRewrite() != "":
		return a.GetPrefixRewrite() + c.path[len(matchedPath(r.Match, c)):]
	case a.GetRegexRewrite() != nil:
		return replaceAll(a.GetRegexRewrite().GetPattern().GetRegex(), a.GetRegexRewrite().GetSubstitution(), c.pathOnly()) + c.query()
	}
	return c.path
}

// replaceAll is RE2::GlobalReplace, with "\1" for a group: one that the pattern lacks makes it do nothing.
func replaceAll(pattern, substitution, s string) string {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return s
	}
	for _, m := range groupNumber.FindAllStringSubmatch(substitution, -1) {
		if m[1] != "" && int(m[1][0]-'0') > re.NumSubexp() {
			return s
		}
	}
	return re.ReplaceAllString(s, goTemplate(substitution))
}

// groupNumber finds escapes, those of backslashes too.
var groupNumber = regexp.MustCompile(`\\\\|\\(\d)`)

func goTemplate(substitution string) string {
	var b strings.Builder
	for i := 0; i < len(substitution); i++ {
		switch c := substitution[i]; {
		case c == '$':
			b.WriteString("$$")
		case c == '\\' && i+1 < len(substitution):
			i++
			if d := substitution[i]; d >= '0' && d <= '9' {
				b.WriteString("${" + string(d) + "}")
			} else {
				b.WriteByte(d)
			}
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// redirectTo is the Location of a redirect (RouteEntryImplBase::newUri).
func redirectTo(r *route.Route, c *call) string {
	a := r.GetRedirect()
	scheme := c.scheme()
	if s := a.GetSchemeRedirect(); s != "" {
		scheme = s
	} else if a.GetHttpsRedirect() {
		scheme = "https"
	}
	port := ""
	if a.PortRedirect != 0 {
		port = ":" + itoa(int(a.PortRedirect))
	}
	host := a.HostRedirect
	if host == "" {
		host = requestHost(c, scheme, port)
	}
	p := c.path
	if a.GetPrefixRewrite() != "" {
		p = a.GetPrefixRewrite() + c.path[len(matchedPath(r.Match, c)):]
	} else if to := a.GetPathRedirect(); to != "" {
		if p = to; !strings.Contains(to, "?") {
			p += c.query()
		}
	}
	return scheme + "://" + host + port + p
}

// requestHost follows processRequestHost: the port goes when it is replaced, or when it was that of the former scheme.
func requestHost(c *call, scheme, port string) string {
	host, own := c.host, ":80"
	if c.tls {
		own = ":443"
	}
	end := strings.LastIndexByte(host, ':')
	if strings.HasPrefix(host, "[") {
		if end = strings.LastIndex(host, "]:"); end >= 0 {
			end++
		}
	}
	if end >= 0 && (port != "" || scheme != c.scheme() && host[end:] == own) {
		return host[:end]
	}
	return host
}

// shadowHost is the host of a copy (Router's shadowing): "-shadow" before the port.
func shadowHost(host string) string {
	name := withoutPort(host)
	return name + "-shadow" + host[len(name):]
}
