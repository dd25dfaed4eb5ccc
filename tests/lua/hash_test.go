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

package lua

import (
	"net/http"
	"strings"
)

// testHash has an upstream of three nodes that hash the key which the plugin puts together.
func testHash(p *proxy) {
	nodes := []string{echo(p.t, "hash-0"), echo(p.t, "hash-1"), echo(p.t, "hash-2")}
	p.upstream("hash", object{"type": "chash", "hash_on": "vars", "key": "arg_mesh_hash_key"}, nodes...)
	for name, conf := range map[string]object{
		"header": {"keys": []object{{"header": "X.User"}, {"header": "x-user"}}},
		"query":  {"keys": []object{{"query": "user id"}}},
		"source": {"keys": []object{{"source_ip": true}}},
		"none":   {"keys": []object{}},
		"cookie": {
			"keys": []object{{"cookie": "session"}},
			"cookies": []object{{
				"name": "session", "ttl": 60, "path": "/x", "attributes": []object{{"name": "SameSite", "value": "Strict"}, {"name": "Secure"}},
			}},
		},
	} {
		p.route("hash-"+name, "hash", object{"mesh-hash": conf})
	}
	p.sync()

	// nodes says which of the nodes got some requests.
	got := func(n int, r request) map[string]int {
		p.t.Helper()
		out := map[string]int{}
		for range n {
			out[p.do(r).got(p.t).Name]++
		}
		return out
	}
	for _, r := range []request{
		{host: "hash-header.test", headers: []string{"x-user: jason"}},
		{host: "hash-query.test", target: "/?user%20id=1"},
		{host: "hash-query.test", target: "/?user+id="},
		{host: "hash-source.test"},
		{host: "hash-cookie.test", headers: []string{"Cookie: session=abc"}},
	} {
		if nodes := got(20, r); len(nodes) != 1 {
			p.t.Errorf("%+v goes to several nodes: %v", r, nodes)
		}
	}
	// Other keys, other nodes; and without any key every node.
	for name, r := range map[string]func(i int) request{
		"keys": func(i int) request {
			return request{host: "hash-header.test", headers: []string{"x-user: " + strings.Repeat("a", i)}}
		},
		"no keys": func(int) request { return request{host: "hash-none.test"} },
		"without": func(int) request { return request{host: "hash-header.test"} },
	} {
		nodes := map[string]int{}
		for i := range 60 {
			nodes[p.do(r(i+1)).got(p.t).Name]++
		}
		if len(nodes) != 3 {
			p.t.Errorf("%s: 60 requests went to %v, and not to all three nodes", name, nodes)
		}
	}
	// A cookie for who has none, and no other for who has.
	res := p.do(request{host: "hash-cookie.test"})
	first := res.got(p.t).Name
	cookies := (&http.Response{Header: res.header}).Cookies()
	if len(cookies) != 1 {
		p.t.Fatalf("cookies: %v", res.header.Values("Set-Cookie"))
	}
	c := cookies[0]
	if c.Name != "session" || c.Value == "" || c.MaxAge != 60 || c.Path != "/x" || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteStrictMode {
		p.t.Errorf("cookie %v", c)
	}
	again := request{host: "hash-cookie.test", headers: []string{"Cookie: session=" + c.Value}}
	if nodes := got(20, again); nodes[first] != 20 {
		p.t.Errorf("with its cookie the client went from %s to %v", first, nodes)
	}
	if set := p.do(again).header.Get("Set-Cookie"); set != "" {
		p.t.Errorf("a second cookie: %s", set)
	}
}
