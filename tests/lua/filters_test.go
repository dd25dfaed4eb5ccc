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
	"time"
)

func testCORS(p *proxy) {
	p.upstream("cors", nil, serve(p.t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "upstream")
		w.Header().Set("X-Method", r.Method)
	}))
	policy := object{
		"allow_origins": []object{{"exact": "https://exact"}, {"prefix": "https://pre."}, {"regex": `^(?:https://r[0-9]+)\z`}},
		"allow_methods": "GET,POST", "allow_headers": "a,b", "expose_headers": "x", "max_age": "86400", "allow_credentials": true,
	}
	p.route("cors", "cors", object{"mesh-cors": policy})
	answering := object{"allow_origins": []object{{"exact": "https://exact"}}, "allow_methods": "GET", "forward_not_matching_preflights": false}
	p.route("cors-answer", "cors", object{"mesh-cors": answering})
	p.route("cors-all", "cors", object{"mesh-cors": object{
		"allow_origins": []object{{"exact": "*"}}, "allow_methods": "*", "allow_headers": "*",
	}})
	p.route("cors-none", "cors", object{"mesh-cors": object{}})
	p.sync()

	preflight := func(origin string) []string {
		return []string{"Origin: " + origin, "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: q"}
	}
	for _, tt := range []struct {
		host, method string
		headers      []string
		// forwarded says whether the upstream sees it.
		forwarded                                                   bool
		origin, credentials, methods, allowHeaders, maxAge, exposed string
	}{
		{"cors", "GET", nil, true, "upstream", "", "", "", "", ""},
		{"cors", "GET", []string{"Origin:"}, true, "upstream", "", "", "", "", ""},
		{"cors", "GET", []string{"Origin: https://exact"}, true, "https://exact", "true", "", "", "", "x"},
		{"cors", "POST", []string{"Origin: https://pre.fix"}, true, "https://pre.fix", "true", "", "", "", "x"},
		{"cors", "GET", []string{"Origin: https://r12"}, true, "https://r12", "true", "", "", "", "x"},
		{"cors", "GET", []string{"Origin: https://r12x"}, true, "upstream", "", "", "", "", ""},
		{"cors", "GET", []string{"Origin: https://other"}, true, "upstream", "", "", "", "", ""},
		{"cors", "OPTIONS", preflight("https://exact"), false, "https://exact", "true", "GET,POST", "a,b", "86400", "x"},
		{"cors", "OPTIONS", []string{"Origin: https://exact"}, true, "https://exact", "true", "", "", "", "x"},
		{"cors", "GET", preflight("https://exact"), true, "https://exact", "true", "", "", "", "x"},
		{"cors", "OPTIONS", preflight("https://other"), true, "upstream", "", "", "", "", ""},
		{"cors-answer", "OPTIONS", preflight("https://other"), false, "", "", "GET", "", "", ""},
		{"cors-answer", "OPTIONS", preflight("https://exact"), false, "https://exact", "", "GET", "", "", ""},
		{"cors-all", "OPTIONS", preflight("null"), false, "null", "", "PUT", "q", "", ""},
		{"cors-all", "GET", []string{"Origin: https://any"}, true, "https://any", "", "", "", "", ""},
		{"cors-none", "GET", []string{"Origin: https://any"}, true, "upstream", "", "", "", "", ""},
		{"cors-none", "OPTIONS", preflight("https://any"), true, "upstream", "", "", "", "", ""},
	} {
		res := p.do(request{method: tt.method, host: tt.host + ".test", headers: tt.headers})
		h := res.header
		if res.status != http.StatusOK || res.body != "" || tt.forwarded != (h.Get("X-Method") == tt.method) {
			p.t.Errorf("%+v is answered with %+v", tt, res)
		}
		for name, want := range map[string]string{
			"Allow-Origin": tt.origin, "Allow-Credentials": tt.credentials, "Allow-Methods": tt.methods,
			"Allow-Headers": tt.allowHeaders, "Max-Age": tt.maxAge, "Expose-Headers": tt.exposed,
		} {
			if got := strings.Join(h.Values("Access-Control-"+name), "|"); got != want {
				p.t.Errorf("%s %v: %s is %q, want %q", tt.host, tt.headers, name, got, want)
			}
		}
	}
}

func testFault(p *proxy) {
	p.upstream("fault", nil, echo(p.t, "fault"))
	abort := func(status any, percentage float64) object {
		key := "http_status"
		if _, ok := status.(string); ok {
			key, status = "grpc_status", 14
		}
		return object{"mesh-fault": object{"abort": object{key: status, "percentage": percentage}}}
	}
	p.route("fault-none", "fault", abort(503, 0))
	p.route("fault-all", "fault", abort(418, 100))
	p.route("fault-408", "fault", abort(408, 100))
	p.route("fault-grpc", "fault", abort("grpc", 100))
	p.route("fault-some", "fault", abort(503, 12.5))
	p.route("fault-delay", "fault", object{"mesh-fault": object{"delay": object{"duration": 0.3, "percentage": 100}}})
	p.route("fault-both", "fault", object{"mesh-fault": object{
		"delay": object{"duration": 0.3, "percentage": 100}, "abort": object{"http_status": 500, "percentage": 100},
	}})
	cors := object{"allow_origins": []object{{"exact": "*"}}}
	both := abort(503, 100)
	both["mesh-cors"] = cors
	p.route("fault-cors", "fault", both)
	p.sync()

	for range 50 {
		if res := p.do(request{host: "fault-none.test"}); res.status != http.StatusOK {
			p.t.Fatalf("aborted at 0%%: %+v", res)
		}
	}
	for host, status := range map[string]int{"fault-all": 418, "fault-408": 408, "fault-grpc": 503} {
		for range 20 {
			res := p.do(request{host: host + ".test"})
			if res.status != status || res.body != "fault filter abort" || res.header.Get("Content-Type") != "text/plain" {
				p.t.Fatalf("%s: %+v", host, res)
			}
		}
	}
	const rounds = 1600
	aborted := 0
	for range rounds {
		if p.do(request{host: "fault-some.test"}).status == http.StatusServiceUnavailable {
			aborted++
		}
	}
	// 200 are expected, with a standard deviation of 13.
	if aborted < 100 || aborted > 300 {
		p.t.Errorf("%d of %d were aborted at 12.5%%", aborted, rounds)
	}
	for host, status := range map[string]int{"fault-delay": 200, "fault-both": 500} {
		begun := time.Now()
		res := p.do(request{host: host + ".test"})
		if took := time.Since(begun); res.status != status || took < 300*time.Millisecond {
			p.t.Errorf("%s: %+v after %v", host, res, took)
		}
	}
	res := p.do(request{method: "OPTIONS", host: "fault-cors.test", headers: []string{"Origin: https://a", "Access-Control-Request-Method: GET"}})
	if res.status != http.StatusServiceUnavailable || res.header.Get("Access-Control-Allow-Origin") != "" {
		p.t.Errorf("CORS answers before the fault: %+v", res)
	}
}
