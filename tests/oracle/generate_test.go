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

package oracle

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"net/http"
	"regexp/syntax"
	"strings"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/simulate"
)

// generator makes tables and requests out of small pools, so that they meet.
type generator struct {
	*rand.Rand
}

func (g *generator) one(pool ...string) string { return pool[g.Intn(len(pool))] }

func (g *generator) chance(percent int) bool { return g.Intn(100) < percent }

var (
	routeHosts = []string{
		"a.test", "*.a.test", "*a.test", "*.test", "b.a.test", "*.b.a.test", "10.1.1.1", "[::1]", "A.Test", "*.A.test", "test", "*", "x_y.test",
	}
	requestHosts = []string{
		"a.test", "b.a.test", "c.b.a.test", "A.TEST", "a.test:8080", "a.test:80", "a.test:", "a.test.", "a.test.:8080", "xa.test", "other.test",
		"test", ".test", "10.1.1.1", "10.1.1.1:81", "[::1]", "[::1]:8080", "x_y.test", "other", "a.test:0080", "a.test:80:90", "a.test:x",
		"a..test", "", "a test", "[::1", "a.test/", "B.a.Test:8080", " a.test ", "h\xc3\xa4.test", "a.test:8080.",
	}
	routePaths = []string{
		"/*", "/*", "/*", "/", "/a", "/a*", "/a/*", "/a/b", "/a/b*", "/a/b/*", "/a/b/c", "/A*", "/a b", "/a%20b", "/a//b*", "/a/../b", "/b*", "/a.b/*",
		"/a/*/c", "/a/*x", "/:x/b", "/:x/*", "/a+b/*", "/\u00e4*", "/a/:id", "*", "/a*/b", "/a/", "/a?x", "/a#b", "/a/b/c/*",
	}
	requestPaths = []string{
		"/", "/a", "/a/", "/a/b", "/a/b/", "/a/b/c", "/a/b/c/d", "/A/b", "/ab", "/abc", "/a.b/c", "/a+b/c", "/aab/c", "/a%20b", "/a%2fb", "/a%2Fb/c",
		"//a", "/a//b", "/a///b//", "/a/./b", "/a/../b", "/a/..", "/..", "/a/.", "/a/...", "/a/.b", "/%61/b", "/%41", "/a/%2e%2e/b", "/a/%2E./b",
		"/a%", "/a%4", "/a%zz", "/a%00b", "/a%25b", "/a%3fx", "/a%3Fx", "/a%23b", "/\u00e4x", "/%c3%a4x", "/a#b", "/a#b?c", "/a\\b", "/a;b", "/a%0ab",
		"/a%0d%0a", "/x", "/x/y", "http://a.test/a", "http://b.a.test:8080/a/b", "http://A.Test", "http://a.test?a=1", "https://[::1]/a", "a", "*", "",
		"http:///a", "http://a_b/a", "ftp://a.test/b", "/a b", "/a/ ", "/apisix/nginx_status", "/a/b/../../..", "/a/b/../c", "/.a", "/a\t",
		"/:x/b", "/%2a", "/a/%2F/b", "/a%7Eb", "/a/b;c=1/c",
	}
	queries = []string{
		"", "", "?", "?a=1", "?a", "?a=", "?a=1&a=2", "?b=x+y", "?b=x%20y", "?%61=1", "?a=%zz", "?&&a=1", "?=v", "?a==1", "?a=1=2", "?A=1", "?a=1#f",
		"?#f", "?a=1?b=2", "?b=2&a", "?a&a=1", "?a%20b=1", "?a+b=1", "?a=%41", "?a=\u00e4", "?a=%00", "?a=true", "?b", "?a=1&b=x+y&flag", "?flag",
		"?a=%", "?a=%4", "?a;b=1", "?b=1%2b1", "?a=v%0a",
	}
	values    = []string{"", "1", "v", "V", "v w", "vw", "a", "x y", "true", "GET", "http", "a.test", "/a", "/a/b", "80", "8080", "1.2.3.4", "127.0.0.1", "2", "a, b", "\u00e4", "\u00c4"}
	variables = []string{
		"uri", "request_method", "scheme", "host", "http_host", "http_x_a", "http_x_b", "http_X-A", "http_user_agent", "arg_a", "arg_b", "arg_flag", "arg_a b",
		"cookie_c", "cookie_d", "remote_addr", "request_uri", "args", "query_string", "is_args", "real_request_uri", apisix.VarOriginalDstPort, apisix.VarInboundPort,
		"http_x_forwarded_proto", "http_x_forwarded_host", "http_forwarded", "http_cookie", "method", "http_x_forwarded_for", "document_uri",
	}
	// regexes are in the form in which Go prints them, but for the first ones.
	regexes = []string{
		"^", "", `\z`, `^\z`, `^(?:v|w)\z`, `^(?:/a)\z`, `^/a(?:/|\z)`, `^[a-z]+\z`, `^\d+\z`, `\s`, `\S`, `\bw`, `^(?:(?i:V))\z`, `^.{2}\z`, `[^/]`, `1{2,3}`,
		`^(?:.*)\z`, `^(?:(?s:.)*)\z`, `a\.test`, `^(?:true)\z`, `\x61`, `[[:alpha:]]`, `^[^\x00-/:-\x{7F}]`, `(?:a|b)/\B`, `^(.)(.)?\z`, `[\d/]`, `^[\x00-\x7f]*\z`,
		`^/\w+/?\z`, `\v`, `[\v\s]x?`, `^.\z`, `^..\z`, `^[^/]\z`, `^\W{2}\z`, `^(?:[a-z]\.)?test`,
	}
	printed = []string{`/v\d+/[^/]+`, `v|w.*`, `[a-z]{1,3}`, `(?i)/A/B`, `.+\.test(:\d+)?`, `(a|ab)(c|bcd)*`, `[^a-f]*`, `/a(/.*)?`, `\s*v\s*`}
)

// body lets a route tell what it knows.
const body = "$request_method $uri $host $http_host $request_uri $real_request_uri $args $is_args $arg_a|$arg_b|$arg_flag|$http_x_a|$http_x_b|" +
	"$http_user_agent|$cookie_c|$cookie_d|$remote_addr $original_dst_port|$inbound_port $scheme|$http_cookie|$http_x_forwarded_host|$http_forwarded|$method|\\$uri ${uri} $nothing_"

// table is a set of routes. Two that nothing but the order of their arrival could rank never have the same priority: there
// APISIX's choice depends on its history.
func (g *generator) table() []simulate.Resource {
	n := 1 + g.Intn(8)
	taken := map[string]bool{}
	table := make([]simulate.Resource, 0, n)
	for i := range n {
		id := fmt.Sprintf("r%d", i)
		route := map[string]any{"id": id}
		hosts := []string{""}
		if g.chance(65) {
			hosts = g.some(routeHosts, 3)
			route["hosts"] = hosts
		}
		paths := g.some(routePaths, 2)
		route["uris"] = paths
		priority := []int{0, 0, 0, 1, 2, 100, -1}[g.Intn(7)]
		for !free(taken, hosts, paths, priority) {
			priority++
		}
		route["priority"] = priority
		if g.chance(55) {
			vars := []any{}
			for range 1 + g.Intn(2) {
				vars = append(vars, g.expr(0))
			}
			route["vars"] = vars
		}
		if g.chance(10) {
			route["methods"] = g.some([]string{"GET", "POST", "PUT", "HEAD", "PATCH"}, 2)
		}
		if g.chance(4) {
			route["status"] = g.Intn(2)
		}
		route["plugins"] = map[string]any{"fault-injection": map[string]any{
			"abort": map[string]any{"http_status": []int{200, 200, 200, 418, 503}[g.Intn(5)], "body": id + ": " + body},
		}}
		b, err := json.Marshal(route)
		if err != nil {
			panic(err)
		}
		table = append(table, simulate.Resource{Kind: apisix.Routes, ID: id, JSON: b})
	}
	return table
}

// free takes the places of a route in the order of the tree, unless one is taken.
func free(taken map[string]bool, hosts, paths []string, priority int) bool {
	var keys []string
	for _, h := range hosts {
		for _, p := range paths {
			prefix, _, isPrefix := strings.Cut(p, "*")
			keys = append(keys, fmt.Sprintf("%s|%s|%t|%d", strings.ToLower(h), prefix, isPrefix, priority))
		}
	}
	for _, k := range keys {
		if taken[k] {
			return false
		}
	}
	for _, k := range keys {
		taken[k] = true
	}
	return true
}

// some are one or more of the pool, none of them twice, and no two hosts that are one in lower case.
func (g *generator) some(pool []string, most int) []string {
	seen := map[string]bool{}
	var out []string
	for range 1 + g.Intn(most) {
		s := g.one(pool...)
		if key := strings.ToLower(s); !seen[key] {
			seen[key] = true
			out = append(out, s)
		}
	}
	return out
}

func (g *generator) expr(depth int) any {
	if depth < 3 && g.chance(20) {
		out := []any{g.one("OR", "AND", "!OR", "!AND", "or")}
		for range 2 + g.Intn(2) {
			out = append(out, g.expr(depth+1))
		}
		return out
	}
	variable := g.one(variables...)
	out := []any{variable}
	if g.chance(25) {
		out = append(out, "!")
	}
	switch g.Intn(5) {
	case 0, 1:
		return append(out, "==", g.one(values...))
	case 2:
		return append(out, "~*", g.regex())
	}
	return append(out, "~~", g.regex())
}

func (g *generator) regex() string {
	if g.chance(60) {
		return g.one(regexes...)
	}
	// As the translator does.
	re, err := syntax.Parse(g.one(printed...), syntax.Perl)
	if err != nil {
		panic(err)
	}
	if s := re.String(); !strings.Contains(s, `\x{`) && !strings.Contains(s, `\p`) && !strings.Contains(s, "$") {
		return "^(?:" + s + `)\z`
	}
	return "^"
}

// request is anything, or made for a route of the table, so that it often matches.
func (g *generator) request(table []simulate.Resource) simulate.Request {
	r := g.anything()
	if g.chance(35) {
		return r
	}
	var route struct {
		Hosts, URIs []string
		Vars        []json.RawMessage
	}
	if err := json.Unmarshal(table[g.Intn(len(table))].JSON, &route); err != nil {
		panic(err)
	}
	if len(route.Hosts) > 0 && g.chance(85) {
		r.Host = strings.Replace(g.one(route.Hosts...), "*", g.one("q", "q.b", "b.a.test", "A."), 1) + g.one("", "", "", ":80", ":8080", ".")
	}
	if g.chance(85) {
		path, star, _ := strings.Cut(g.one(route.URIs...), "*")
		r.Path = g.crooked("/"+strings.TrimPrefix(path, "/")+g.one("", "b", "c/d", ":x", "x")+star) + g.one(queries...)
	}
	for _, raw := range route.Vars {
		g.satisfy(&r, raw)
	}
	return r
}

// crooked writes a path that is decoded in a way that means the same.
func (g *generator) crooked(path string) string {
	var b strings.Builder
	for i := range len(path) {
		switch c := path[i]; {
		case strings.IndexByte(" %?#", c) >= 0 || g.chance(5):
			fmt.Fprintf(&b, g.one("%%%02x", "%%%02X"), c)
		case c == '/' && g.chance(8):
			b.WriteString(g.one("//", "/./", "/x/../"))
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// satisfy does what a simple comparison asks for.
func (g *generator) satisfy(r *simulate.Request, raw json.RawMessage) {
	var words []string
	if json.Unmarshal(raw, &words) != nil || len(words) != 3 || words[1] != "==" || g.chance(20) {
		return
	}
	name, v := words[0], words[2]
	switch {
	case name == "request_method" && v == "GET":
		r.Method = v
	case name == apisix.VarOriginalDstPort, name == apisix.VarInboundPort:
		r.Inbound = name == apisix.VarInboundPort
		r.Host = strings.TrimRight(r.Host, ":0123456789.") + ":" + v
	case strings.HasPrefix(name, "arg_") && !strings.Contains(r.Path, "?"):
		r.Path += "?" + strings.ReplaceAll(name[4:], " ", "+") + "=" + strings.ReplaceAll(v, " ", g.one("+", "%20"))
	case strings.HasPrefix(name, "cookie_"):
		r.Header["Cookie"] = []string{name[7:] + "=" + v}
	case strings.HasPrefix(name, "http_x_") && !strings.Contains(name, "forwarded"):
		r.Header[strings.ReplaceAll(name[5:], "_", "-")] = []string{v}
	}
}

func (g *generator) anything() simulate.Request {
	r := simulate.Request{Method: http.MethodGet, Host: g.one(requestHosts...), Path: g.path(), Header: http.Header{}, Inbound: g.chance(20)}
	if g.chance(80) {
		// The rest is worth little when the host is refused.
		r.Host = g.one(requestHosts[:16]...)
	}
	if g.chance(20) {
		r.Method = g.one("POST", "HEAD", "OPTIONS", "PUT", "PATCH", "PURGE", "FOO", "M-SEARCH", "get", "G T", "CONNECT", "TRACE", "A_B")
	}
	for range g.Intn(4) {
		name, pool := g.header()
		for range 1 + g.Intn(2) {
			r.Header[name] = append(r.Header[name], g.one(pool...))
		}
	}
	return r
}

func (g *generator) header() (string, []string) {
	switch g.Intn(12) {
	case 0, 1, 2:
		return g.one("X-A", "x-a", "x_a", "X.A", "X-A "), values
	case 3, 4:
		return "X-B", append([]string{"  v  ", "\tv", "v\t", "\u00e4", "v,w"}, values...)
	case 5, 6:
		return "Cookie", []string{
			"c=1", "c=1; d=2", "d=v; c=v w", `c="v"`, "c", "c=", "x; c=1", "c=1;d=v", "c=1; c=2", " c = 1", "c=a=b", ";c=1", "c=1;", "\tc=v\td=2", "", "d=1 ; c=v",
		}
	case 7:
		return "X-Real-IP", []string{"1.2.3.4", "bad", "1.2.3.4:80", "::1", "[::1]:80", "", "1.2.3", "2001:db8::0:1", "1.2.3.4, 5.6.7.8"}
	case 8:
		return g.one("X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "X-Forwarded-For"), []string{"https", "v", "a.test", ""}
	case 9:
		return g.one("User-Agent", "user_agent"), values
	case 10:
		return g.one("Authorization", "X-A", "X-B"), values[:4]
	}
	return g.one("X-C", "X.D", "X-D", "X-E", "X E"), values
}

func (g *generator) path() string {
	p := g.one(requestPaths...)
	if g.chance(25) {
		// Mixed from parts.
		p = ""
		for range 1 + g.Intn(5) {
			p += "/" + g.one("", "a", "b", "c", ".", "..", "%2e", "%2E%2e", "%61", "a%2f", "x", "a b", "%20", "+", "A", "a.b", "...", ".a", "\u00e4", ":x", "*")
		}
	}
	if g.chance(3) {
		// The lengths are around those at which APISIX and nginx give up.
		n := []int{g.Intn(2000), 6380 + g.Intn(30), 8165 + g.Intn(20), g.Intn(9000)}[g.Intn(4)]
		unit := g.one("x", "xy/", "%61", "\u00e4")
		p = "/a/" + strings.Repeat(unit, 1+n/len(unit))
	}
	q := g.one(queries...)
	if g.chance(2) {
		q = "?" + strings.Repeat("x=1&", 150) + "a=1"
	}
	if g.chance(50) {
		p += q
	}
	return p
}
