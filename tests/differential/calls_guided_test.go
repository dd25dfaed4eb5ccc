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
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// meet makes the call one that the match takes.
func (f *facts) meet(c *call, g guided) {
	if len(g.hosts) > 0 && !f.maybe(8) {
		f.at(c, pick(f.random, g.hosts))
	}
	m := g.match
	if m.Port != 0 {
		c.port = int(m.Port)
	}
	if m.Uri != nil {
		if p, ok := f.example(m.Uri); ok && strings.HasPrefix(p, "/") {
			c.path = (&url.URL{Path: p}).EscapedPath()
			if unescaped, err := url.PathUnescape(p); err == nil && unescaped == p && !strings.ContainsAny(p, " ?#é\\^") {
				c.path = p
			}
		}
		if m.IgnoreUriCase && f.maybe(2) {
			c.path = strings.ToUpper(c.path)
		}
	}
	if m.Method != nil {
		if v, ok := f.example(m.Method); ok && slices.Contains(methods, v) {
			c.method = v
		}
	}
	if m.Authority != nil {
		if v, ok := f.example(m.Authority); ok && hostname.MatchString(v) {
			c.host = v
		}
	}
	for _, name := range sortedKeys(m.Headers) {
		if v, ok := f.example(m.Headers[name]); ok && sendable(name) {
			if first, rest, two := strings.Cut(v, ","); two && f.maybe(3) {
				c.headers = append(c.headers, field{name, first})
				v = rest
			}
			c.headers = append(c.headers, field{name, v})
		}
	}
	var query []string
	for _, name := range sortedKeys(m.QueryParams) {
		if v, ok := f.example(m.QueryParams[name]); ok {
			query = append(query, name+"="+strings.NewReplacer(" ", "+", "é", "%C3%A9", "&", "%26", "#", "%23").Replace(v))
		}
	}
	if len(query) > 0 {
		c.path += "?" + strings.Join(query, "&")
	}
	if g.cors {
		f.crossOrigin(c)
	}
}

// sendable says that the name is one of a header.
func sendable(name string) bool {
	return !strings.ContainsAny(name, ":@") && !strings.EqualFold(name, "host")
}

// hostname is a name with or without a port, as a Host header has it.
var hostname = regexp.MustCompile(`^[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)*(:[0-9]+)?$`)

func (f *facts) crossOrigin(c *call) {
	c.headers = append(c.headers, field{"Origin", pick(f.random, []string{"https://a.example", "http://b.example", "https://x.test", ""})})
	if f.maybe(2) {
		c.method = "OPTIONS"
		c.headers = append(c.headers, field{"Access-Control-Request-Method", "POST"})
		if f.maybe(2) {
			c.headers = append(c.headers, field{"Access-Control-Request-Headers", "x-q"})
		}
	}
}

// stray takes the call a little off what it was.
func (f *facts) stray(c *call) {
	switch f.IntN(10) {
	case 0:
		c.path = c.pathOnly() + pick(f.random, []string{"x", "/x", "/", ".x"}) + c.query()
	case 1:
		if p := c.pathOnly(); len(p) > 1 && !strings.Contains(p, "%") {
			c.path = p[:len(p)-1] + c.query()
		}
	case 2:
		c.path += pick(f.random, []string{"?q=v", "?", "?q", "?k=1&q=v&q=w"})
	case 3:
		if len(c.headers) > 0 {
			c.headers = c.headers[1:]
		}
	case 4:
		if len(c.headers) > 0 {
			c.headers[0].value = pick(f.random, []string{"", "other", c.headers[0].value + "x"})
		}
	case 5:
		c.method = pick(f.random, methods)
	case 6:
		c.port = pick(f.random, f.ports)
	case 7:
		c.path = strings.ToUpper(c.pathOnly()) + c.query()
		if f.maybe(3) {
			c.path = strings.Replace(c.path, "/", "//", 1)
		}
	default:
		names := append([]string{"x-a", "cookie"}, f.names...)
		if n := pick(f.random, names); sendable(n) {
			c.headers = append(c.headers, field{n, pick(f.random, headerValues)})
		}
	}
}
