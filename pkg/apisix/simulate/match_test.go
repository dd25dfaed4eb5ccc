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

package simulate

import (
	"strings"
	"testing"
)

// routeOf plays a request and returns the route that took it.
func routeOf(c *Config, host, path string) string {
	return c.HTTP(Request{Host: host, Path: path}).Route
}

func TestHosts(t *testing.T) {
	c := config(
		t,
		answers("exact", `"hosts":["a.b.test","10.1.1.1","[::1]"],"uri":"/only"`),
		answers("narrow", `"host":"*.b.test","uri":"/*"`),
		answers("glued", `"hosts":["*xb.test"],"uri":"/*"`),
		answers("wide", `"hosts":["*.Test"],"uri":"/*","vars":[["request_method","==","GET"]]`),
		answers("any", `"uri":"/*"`),
		answers("off", `"hosts":["off"],"uri":"/*","status":0`),
	)
	for _, tt := range []struct{ host, path, want string }{
		{"a.b.test", "/only", "exact"},
		{"A.B.Test:8080", "/only", "exact"},
		{"a.b.test.", "/only", "exact"},
		{"10.1.1.1", "/only", "exact"},
		{"[::1]:80", "/only", "exact"},
		// Nobody commits to a host: the next ones are asked.
		{"a.b.test", "/else", "narrow"},
		{"x.y.b.test", "/", "narrow"},
		{"axb.test", "/", "glued"},
		{"b.test", "/", "wide"},
		{".test", "/", "wide"},
		{"test", "/", "any"},
		{"off", "/", "any"},
	} {
		if got := routeOf(c, tt.host, tt.path); got != tt.want {
			t.Errorf("%s%s: %q, want %q", tt.host, tt.path, got, tt.want)
		}
	}
}

func TestPaths(t *testing.T) {
	c := config(
		t,
		answers("exact", `"uri":"/a/b","priority":-5`),
		answers("long", `"uri":"/a/b*"`),
		answers("short", `"uris":["/a*"],"priority":100`),
		answers("slash", `"uri":"/s/*"`),
		answers("first", `"uri":"/p*","priority":2,"vars":[["http_x","==","1"]]`),
		answers("second", `"uri":"/p*","priority":1`),
		answers("methods", `"uri":"/m","methods":["POST","PUT"]`),
		answers("tail", `"uri":"/t/*/z"`),
		answers("colon", `"uri":"/c/:x/*"`),
		answers("plus", `"uri":"/x+y/*"`),
	)
	for _, tt := range []struct{ path, want string }{
		{"/a/b", "exact"},
		{"/a/bc", "long"},
		{"/a/c", "short"},
		{"/ab", "short"},
		{"/s/", "slash"},
		{"/s", ""},
		{"/sx", ""},
		{"/p", "second"},
		{"/m", ""},
		{"/t/x/z", "tail"},
		{"/t/x/y/z", "tail"},
		{"/t/x/y", ""},
		// What is between parameters is an expression to radixtree, and a colon makes one of a segment.
		{"/c/:x/d", "colon"},
		{"/x+y/z", ""},
	} {
		if got := routeOf(c, "a", tt.path); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.path, got, tt.want)
		}
	}
	if r := c.HTTP(Request{Method: "PUT", Host: "a", Path: "/m"}); r.Route != "methods" {
		t.Errorf("%+v", r)
	}
	if r := c.HTTP(Request{Host: "a", Path: "/p", Header: header("x", "1")}); r.Route != "first" {
		t.Errorf("%+v", r)
	}
}

func TestWhy(t *testing.T) {
	c := config(
		t,
		answers("a", `"hosts":["a.test"],"uri":"/*","priority":2,"vars":[["uri","==","/x"],["http_y","~~","^1"]]`),
		answers("b", `"hosts":["a.test"],"uri":"/*","priority":1,"vars":[["OR",["http_y","==","1"],["arg_q","==","2"]]]`),
		answers("c", `"hosts":["*.test"],"uri":"/z"`),
		answers("d", `"uri":"/*"`),
		answers("e", `"uri":"/*"`),
	)
	r := c.HTTP(Request{Host: "a.test:81", Path: "/x"})
	want := []string{
		`GET "/x" to host a.test, port 81`,
		`host a.test: route a (uri /*, priority 2): http_y ~~ "^1" does not hold: http_y is missing`,
		`host a.test: route b (uri /*, priority 1): none of the alternatives holds; the first: http_y == "1" does not hold: http_y is missing`,
		`host *.test: no route has the path "/x"`,
		`routes without a host: route d (uri /*, priority 0) takes it`,
		`route e would take it too, with the same priority: APISIX decides by which of them it learned of first`,
		`fault-injection answers with status 200`,
	}
	if got := strings.Join(r.Why, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got:\n%s", got)
	}
}
