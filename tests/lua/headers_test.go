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
	"strconv"
	"strings"
)

func values(list ...object) object { return object{"values": list} }

func set(name string, value any) object { return object{"name": name, "value": value} }

func add(name string, value any) object { return object{"name": name, "value": value, "append": true} }

func variable(name string) object { return object{"var": name} }

func testHeaders(p *proxy) {
	p.upstream("headers", nil, serve(p.t, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for _, n := range []string{"X-Set", "X-Add", "X-Gone", "X-Twice"} {
			h.Set(n, "upstream")
		}
		h.Add("X-Twice", "again")
		h.Set("X-Set-Request", strings.Join(r.Header.Values("X-Set"), "|"))
		h.Set("X-Add-Request", strings.Join(r.Header.Values("X-Add"), "|"))
		h.Set("X-Gone-Request", strings.Join(r.Header.Values("X-Gone"), "|"))
		h.Set("X-From-Request", strings.Join(r.Header.Values("X-From"), "|"))
		h.Set("X-Literal-Request", strings.Join(r.Header.Values("X-Literal"), "|"))
		h.Set("X-Old-Request", strings.Join(r.Header.Values("X-Old"), "|"))
		h.Set("X-Empty-Request", strings.Join(r.Header.Values("X-Empty"), "|"))
		h.Set("X_under-Request", strings.Join(r.Header["X_under"], "|"))
		if r.URL.Path == "/error" {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	request1 := values(
		set("x-set", "set"), add("x-add", "add 1"), add("x-add", "add 2"), set("X-From", []any{"from ", variable("remote_addr"), "!"}),
		set("x-literal", "$x ${host} %REQ(a)% \\"), set("x-old", []any{variable("http_x_set")}), set("x-empty", []any{variable("http_nothing")}),
		set("x_under", "score"),
	)
	request1["remove"] = []string{"x-gone", "X-NOT-THERE"}
	response1 := values(
		set("x-set", "set"), add("x-add", "$added"), set("x-status", []any{variable("upstream_status")}),
		add("set-cookie", "a=1"), add("set-cookie", "b=2"), set("x-unsafe", []any{variable("arg_u")}),
	)
	response1["remove"] = []string{"x-gone", "x-twice", "content-type"}
	p.route("headers", "headers", object{"mesh-headers": object{"request": request1, "response": response1}})
	p.upstream("headers-dead", nil, dead(p.t))
	p.route("headers-dead", "headers-dead", object{"mesh-headers": object{"response": values(set("x-set", "set"))}})
	p.sync()

	sent := []string{"X-Set: client", "X-Set: client 2", "X-Add: client", "X-Gone: 1", "X-Gone: 2", "X-Old: client", "X-Empty: kept"}
	for _, target := range []string{"/", "/error?u=a%0d%0ab"} {
		res := p.do(request{host: "headers.test", target: target, headers: sent})
		for name, want := range map[string]string{
			"X-Set-Request":     "set",
			"X-Add-Request":     "client|add 1|add 2",
			"X-Gone-Request":    "",
			"X-From-Request":    "from 127.0.0.1!",
			"X-Literal-Request": "$x ${host} %REQ(a)% \\",
			"X-Old-Request":     "client, client 2",
			"X-Empty-Request":   "kept",
			"X_under-Request":   "score",
			"X-Set":             "set",
			"X-Add":             "upstream|$added",
			"X-Gone":            "",
			"X-Twice":           "",
			"X-Status":          strconv.Itoa(res.status),
			"Set-Cookie":        "a=1|b=2",
		} {
			if got := strings.Join(res.header[name], "|"); got != want {
				p.t.Errorf("%s: %s is %q, want %q", target, name, got, want)
			}
		}
		if strings.ContainsAny(res.header.Get("X-Unsafe"), "\r\n") {
			p.t.Errorf("%s: %q", target, res.header)
		}
	}
	res := p.do(request{host: "headers-dead.test"})
	if res.status != http.StatusBadGateway || res.header.Get("X-Set") != "set" {
		p.t.Errorf("an error of proxying: %+v", res)
	}
}

// testOrder puts everything on one route.
func testOrder(p *proxy) {
	p.upstream("order", nil, echo(p.t, "order"))
	response := object{"response": values(set("x-routed", "yes"))}
	p.route("order", "order", object{
		"mesh-cors":    object{"allow_origins": []object{{"exact": "*"}}},
		"mesh-split":   object{"destinations": []object{{"upstream_id": "order", "weight": 1, "authority": "first.test"}}},
		"mesh-rewrite": object{"uri": object{"rewrite": "/new"}, "authority": "last.test"},
		"mesh-headers": object{
			"request":  values(set("x-path", []any{variable("request_uri")})),
			"response": response["response"],
		},
	})
	abort := object{"abort": object{"http_status": 503, "percentage": 100}}
	p.route("order-fault", "order", object{"mesh-fault": abort, "mesh-headers": response})
	p.route("order-redirect", "order", object{"mesh-redirect": object{"code": 301}, "mesh-headers": response})
	p.route("order-auth", "order", object{"key-auth": object{}, "mesh-redirect": object{"code": 301}, "mesh-headers": response})
	p.route("order-user", "order", object{
		"proxy-rewrite": object{"headers": object{"set": object{"x-user": "user"}}},
		"mesh-headers":  object{"request": values(set("x-mesh", []any{variable("http_x_user")}))},
	})
	p.sync()
	res := p.do(request{host: "order.test", target: "/old?q", headers: []string{"Origin: https://a"}})
	got := res.got(p.t)
	if got.Host != "last.test" || got.Target != "/new?q" || got.Header.Get("X-Path") != "/old?q" ||
		res.header.Get("X-Routed") != "yes" || res.header.Get("Access-Control-Allow-Origin") != "https://a" {
		p.t.Errorf("%+v %+v", res.header, got)
	}
	for _, tt := range []struct {
		host, routed string
		status       int
	}{
		{"order-fault", "", 503}, {"order-redirect", "yes", 301}, {"order-auth", "", 401},
	} {
		if res := p.do(request{host: tt.host + ".test"}); res.status != tt.status || res.header.Get("X-Routed") != tt.routed {
			p.t.Errorf("%s: %+v", tt.host, res)
		}
	}
	if got := p.do(request{host: "order-user.test"}).got(p.t); got.Header.Get("X-Mesh") != "user" {
		p.t.Errorf("the plugins of users do not come first: %+v", got)
	}
}

func testSplit(p *proxy) {
	many := []object{}
	for i := range 30 {
		id := "split-" + strconv.Itoa(i)
		p.upstream(id, nil, echo(p.t, id))
		many = append(many, object{"upstream_id": id, "weight": i % 3})
	}
	p.route("split-many", "", object{"mesh-split": object{"destinations": many}})
	p.route("split-ops", "split-2", object{"mesh-split": object{"destinations": []object{
		{
			"upstream_id": "split-0", "weight": 1, "authority": "zero.test",
			"request": values(set("x-to", "zero"), add("x-add", "0")), "response": values(set("x-from", "zero")),
		},
		{"upstream_id": "split-1", "weight": 3, "response": object{"remove": []string{"x-backend"}}},
	}}})
	p.route("split-zero", "", object{"mesh-split": object{"destinations": []object{{"upstream_id": "split-0", "weight": 0}}}})
	p.route("split-gone", "", object{"mesh-split": object{"destinations": []object{{"upstream_id": "nobody", "weight": 1}}}})
	p.route("split-status", "split-0", object{"mesh-split": object{"destinations": []object{
		{"upstream_id": "split-0", "weight": 1, "original_dst": object{}}, {"status": 500, "weight": 1},
	}}})
	p.sync()

	// Nothing is captured here, so that the original destination is the upstream.
	statuses := map[int]int{}
	for range 20 {
		statuses[p.do(request{host: "split-status.test"}).status]++
	}
	if statuses[200] != 10 || statuses[500] != 10 {
		p.t.Errorf("an upstream and a status in equal shares: %v", statuses)
	}

	counts := map[string]int{}
	const rounds = 300
	for range rounds {
		counts[p.do(request{host: "split-many.test"}).got(p.t).Name]++
	}
	for i, d := range many {
		// The weights sum up to 30.
		if got, want := counts["split-"+strconv.Itoa(i)], d["weight"].(int)*rounds/30; got < want-3 || got > want+3 {
			p.t.Errorf("destination %d of weight %d got %d of %d requests", i, d["weight"], got, rounds)
		}
	}
	zero, one := 0, 0
	for range 40 {
		res := p.do(request{host: "split-ops.test", headers: []string{"X-Add: client"}})
		got := res.got(p.t)
		switch got.Name {
		case "split-0":
			zero++
			if got.Host != "zero.test" || got.Header.Get("X-To") != "zero" || !equal(got.Header.Values("X-Add"), "client", "0") ||
				res.header.Get("X-From") != "zero" || res.header.Get("X-Backend") == "" {
				p.t.Fatalf("%+v %+v", res, got)
			}
		case "split-1":
			one++
			if got.Host != "split-ops.test" || got.Header.Get("X-To") != "" || res.header.Get("X-From") != "" || res.header.Get("X-Backend") != "" {
				p.t.Fatalf("%+v %+v", res, got)
			}
		default:
			p.t.Fatalf("the route's own upstream got it: %+v", got)
		}
	}
	if zero < 8 || zero > 12 || zero+one != 40 {
		p.t.Errorf("%d and %d at weights 1 and 3", zero, one)
	}
	if got := p.do(request{host: "split-zero.test"}).got(p.t); got.Name != "split-0" {
		p.t.Errorf("%+v", got)
	}
	if res := p.do(request{host: "split-gone.test"}); res.status < 500 {
		p.t.Errorf("%+v", res)
	}
}
