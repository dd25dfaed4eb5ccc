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
	"net/http"
	"strings"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/simulate"
)

// object is a JSON object.
type object = map[string]any

// hostsOfPlugins is how many routes a table has, each with a host of its own.
const hostsOfPlugins = 5

// pluginTable has routes with plugins of their own, of a plugin_config, of a service and of a global rule.
func (g *generator) pluginTable() []simulate.Resource {
	var table []simulate.Resource
	add := func(kind apisix.Kind, id string, o object) {
		o["id"] = id
		b, err := json.Marshal(o)
		if err != nil {
			panic(err)
		}
		table = append(table, simulate.Resource{Kind: kind, ID: id, JSON: b})
	}
	if g.chance(20) {
		// What every request sees leaves the probe alone.
		add(apisix.GlobalRules, "g", object{"plugins": object{"mesh-headers": object{
			"request": g.ops([]string{"X-Global", "X-A"}), "response": g.ops([]string{"X-R", "X-Global"}),
		}}})
	}
	if g.chance(20) {
		add(apisix.GlobalRules, "h", object{"plugins": object{"mesh-cors": g.cors()}})
	}
	for i := range hostsOfPlugins {
		route := object{"uri": "/*", "hosts": []string{fmt.Sprintf("h%d.test", i)}, "plugins": g.plugins()}
		upstream := object{"upstream_id": g.upstream()}
		if g.chance(15) {
			id := fmt.Sprintf("s%d", i)
			upstream = object{}
			if g.chance(30) {
				upstream["upstream_id"] = g.upstream()
			}
			route["service_id"] = id
			if g.chance(90) {
				add(apisix.Services, id, object{"plugins": g.plugins(), "upstream_id": g.upstream()})
			}
		}
		for k, v := range upstream {
			route[k] = v
		}
		if g.chance(20) {
			id := fmt.Sprintf("p%d", i)
			route["plugin_config_id"] = id
			if g.chance(90) {
				add(apisix.PluginConfigs, id, object{"plugins": g.plugins()})
			}
		}
		add(apisix.Routes, fmt.Sprintf("r%d", i), route)
	}
	return table
}

func (g *generator) upstream() string {
	if g.chance(8) {
		return g.one("empty", "absent")
	}
	return g.one(upstreamNames...)
}

func (g *generator) plugins() object {
	out := object{}
	put := func(percent int, name string, conf func() object) {
		if g.chance(percent) {
			c := conf()
			if g.chance(5) {
				c["_meta"] = object{"disable": g.chance(50)}
			}
			out[name] = c
		}
	}
	put(25, "mesh-cors", g.cors)
	put(6, "mesh-fault", g.fault)
	put(15, "mesh-redirect", g.redirect)
	put(8, "mesh-direct-response", g.direct)
	put(25, "mesh-split", g.split)
	put(45, "mesh-rewrite", g.rewrite)
	put(50, "mesh-headers", func() object {
		return object{"request": g.ops([]string{"X-A", "x-b", "X-New", "x_u"}), "response": g.ops([]string{"X-R", "x-m", "X-New", "Location"})}
	})
	put(15, "mesh-mirror", func() object {
		return object{"mirrors": []any{object{"upstream_id": g.upstream(), "percentage": []any{100, 100, 0, 100.0}[g.Intn(4)]}}}
	})
	put(15, "traffic-split", g.trafficSplit)
	put(4, "fault-injection", func() object {
		return object{"abort": object{"http_status": 418, "body": "$uri $route_id", "headers": object{"X-R": "f $arg_a"}, "vars": []any{
			[]any{[]any{"http_x_a", "==", "v"}}, []any{[]any{"arg_a", "==", "1"}, []any{"http_x_b", "!", "~~", "w"}},
		}}}
	})
	return out
}

func (g *generator) cors() object {
	origins := []any{}
	for range g.Intn(3) {
		origins = append(origins, []any{
			object{"exact": "https://a.test"}, object{"prefix": "https://"}, object{"regex": `^(?:https?://[a-z]+\.test)\z`}, object{"exact": "*"}, object{"prefix": "x"},
		}[g.Intn(5)])
	}
	o := object{"allow_origins": origins}
	for name, v := range map[string]any{
		"allow_methods": g.one("GET,POST", "*", ""), "allow_headers": g.one("x-a,x-b", "*"), "expose_headers": g.one("x-r", "*"), "max_age": "60",
		"allow_credentials": g.chance(50), "forward_not_matching_preflights": g.chance(50),
	} {
		if g.chance(50) {
			o[name] = v
		}
	}
	return o
}

func (g *generator) fault() object {
	o := object{}
	if g.chance(80) {
		a := object{"percentage": []any{100, 100, 0, 0.00001}[g.Intn(4)]}
		if g.chance(50) {
			a["http_status"] = []int{200, 400, 403, 404, 503, 555, 401, 429}[g.Intn(8)]
		} else {
			a["grpc_status"] = g.Intn(17)
		}
		o["abort"] = a
	}
	if g.chance(30) {
		o["delay"] = object{"duration": 0.001, "percentage": 100}
	}
	return o
}

func (g *generator) redirect() object {
	o := object{"code": []int{301, 302, 303, 307, 308}[g.Intn(5)]}
	for name, v := range map[string]any{"scheme": g.one("https", "http"), "authority": g.one("x.test", "x.test:80", "[::2]"), "port": []int{80, 443, 8443}[g.Intn(3)]} {
		if g.chance(30) {
			o[name] = v
		}
	}
	switch g.Intn(4) {
	case 0:
		o["path"] = g.one("/new", "/new?x=1", "new", "/n#w", "/n w")
	case 1, 2:
		o["prefix_rewrite"] = g.prefixRewrite()
	}
	return o
}

func (g *generator) prefixRewrite() object {
	o := object{"rewrite": g.one("/new", "/", "/new/", "new", "", "/n?w", "/\u00e4", "/a")}
	if g.chance(75) {
		o["prefix"] = g.one("/", "/a", "/a/", "/a/b", "/a b", "/A")
	}
	return o
}

func (g *generator) direct() object {
	o := object{"status": []int{200, 204, 301, 404, 408, 503, 599}[g.Intn(7)]}
	switch g.Intn(3) {
	case 0:
		o["body"] = g.one("text", "$uri", "100 % \u00e4", "")
	case 1:
		o["body_base64"] = "AAEC/w=="
	}
	return o
}

func (g *generator) split() object {
	var list []any
	for range 1 + g.Intn(3) {
		d := object{"upstream_id": g.upstream(), "weight": []int{0, 1, 1, 5}[g.Intn(4)]}
		if g.chance(30) {
			d["authority"] = g.one("d.test", "d.test:81")
		}
		if g.chance(40) {
			d["request"] = g.ops([]string{"X-A", "X-D"})
		}
		if g.chance(40) {
			d["response"] = g.ops([]string{"X-R", "X-M", "X-D"})
		}
		list = append(list, d)
	}
	return object{"destinations": list}
}

func (g *generator) trafficSplit() object {
	var rules []any
	for range 1 + g.Intn(2) {
		rule := object{}
		if g.chance(50) {
			rule["match"] = []any{object{"vars": []any{[]any{"http_x_a", "==", "v"}}}, object{"vars": []any{[]any{"arg_a", "~~", `^(?:1)\z`}}}}
		}
		var list []any
		for range 1 + g.Intn(3) {
			w := object{"upstream_id": g.upstream()}
			if g.chance(80) {
				w["weight"] = g.Intn(4)
			}
			list = append(list, w)
		}
		rule["weighted_upstreams"] = list
		rules = append(rules, rule)
	}
	return object{"rules": rules}
}

func (g *generator) rewrite() object {
	o := object{}
	if g.chance(30) {
		o["authority"] = g.one("r.test", "r.test:82", "R.Test")
	}
	switch g.Intn(5) {
	case 0, 1:
		o["uri"] = g.prefixRewrite()
	case 2, 3:
		o["regex"] = object{
			"pattern":      g.one(`^/(a)(/.*)?\z`, `/b`, `[ab]+`, `(x)|(a)`, `^/`, `.*`, `a*`, `\bb`, `%[0-9A-F]{2}`, `\.`, `.`),
			"substitution": g.one("/$1", "$1x", "${1}1", "$$", "y", "", "$0$0", "/n w", "#", "?")[0:],
		}
		pattern := o["regex"].(object)["pattern"].(string)
		if !strings.Contains(pattern, "(") {
			o["regex"].(object)["substitution"] = g.one("y", "", "$0$0", "$$1", "/n", "%")
		}
	}
	return o
}

// ops avoids repeating a name in another case: HTTP knows no difference.
func (g *generator) ops(names []string) object {
	o := object{}
	if g.chance(40) {
		o["remove"] = g.some(names, 2)
	}
	var list []any
	for range g.Intn(4) {
		v := object{"name": g.one(names...)}
		if g.chance(50) {
			v["value"] = g.one("n", "$uri", "", "a b", "%20", "\u00e4", "1")
		} else {
			v["value"] = []any{g.one("", "p", "p "), object{"var": g.one(
				"remote_addr", "http_x_a", "http_x-b", "arg_a", "arg_flag", "request_method", "host", "scheme", "route_id", "http_host", "http_x_none",
			)}, g.one("", "s")}
		}
		if g.chance(60) {
			v["append"] = g.chance(60)
		}
		list = append(list, v)
	}
	if len(list) > 0 {
		o["values"] = list
	}
	return o
}

func (g *generator) pluginRequest() simulate.Request {
	r := simulate.Request{
		Method: g.one("GET", "GET", "GET", "POST", "HEAD", "OPTIONS"), Header: http.Header{},
		Host: fmt.Sprintf("h%d.test", g.Intn(hostsOfPlugins)) + g.one("", "", ":80", ":443", ":8080"),
		Path: g.crooked("/"+g.one("a", "a/b", "a/b/c", "A/b", "a b", "ab", "x", "", "b.a", "\u00e4/x", "a/..b", "a/b%")) + g.one("", "", "?a=1", "?a=v+w&flag", "?", "?a=1#f", "?x=%zz", "#f"),
	}
	if g.chance(5) {
		r.Path = "http://" + r.Host + g.one("", "?a=1", r.Path)
	}
	if r.Method == http.MethodOptions || g.chance(20) {
		r.Header.Set("Origin", g.one("https://a.test", "http://b.test", "https://b.test:80", "x", "null", ""))
		if g.chance(80) {
			r.Header.Set("Access-Control-Request-Method", g.one("PUT", ""))
		}
		if g.chance(50) {
			r.Header.Set("Access-Control-Request-Headers", "x-asked")
		}
	}
	if g.chance(10) {
		r.Header.Set("Content-Type", g.one("application/grpc", "application/grpc+proto", "application/grpc;v=1", "application/grpcx", "text/plain"))
	}
	for range g.Intn(3) {
		r.Header.Add(g.one("X-A", "X-B", "X-Global"), g.one("v", "w", "", "v w", "1"))
	}
	return r
}
