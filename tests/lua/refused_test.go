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
)

// testRefused has configurations that the plugins' schemas must not let pass: a route with one of them is not served. Its
// neighbours are.
func testRefused(p *proxy) {
	p.upstream("refused", nil, echo(p.t, "refused"))
	bad := []object{
		{"mesh-cors": object{"unknown": 1}},
		{"mesh-cors": object{"allow_origins": []object{{"exact": "a", "prefix": "b"}}}},
		{"mesh-cors": object{"allow_origins": []object{{"regex": "("}}}},
		{"mesh-cors": object{"allow_origins": []object{{}}}},
		{"mesh-fault": object{"abort": object{"http_status": 503, "grpc_status": 1, "percentage": 1}}},
		{"mesh-fault": object{"abort": object{"percentage": 1}}},
		{"mesh-fault": object{"abort": object{"http_status": 503, "percentage": 101}}},
		{"mesh-fault": object{"delay": object{"duration": -1, "percentage": 1}}},
		{"mesh-redirect": object{"code": 200}},
		{"mesh-redirect": object{"code": 301, "path": "/a", "prefix_rewrite": object{"rewrite": "/b"}}},
		{"mesh-redirect": object{"code": 301, "port": 0}},
		{"mesh-direct-response": object{}},
		{"mesh-direct-response": object{"status": 101}},
		{"mesh-direct-response": object{"status": 200, "body": "a", "body_base64": "YQ=="}},
		{"mesh-direct-response": object{"status": 200, "body_base64": "!"}},
		{"mesh-split": object{"destinations": []object{}}},
		{"mesh-split": object{"destinations": []object{{"upstream_id": "a"}}}},
		{"mesh-split": object{"destinations": []object{{"upstream_id": "a", "weight": 1, "request": object{"remove": []string{"host"}}}}}},
		{"mesh-rewrite": object{"uri": object{"rewrite": "/"}, "regex": object{"pattern": "a", "substitution": "b"}}},
		{"mesh-rewrite": object{"regex": object{"pattern": "(", "substitution": "b"}}},
		{"mesh-headers": object{"request": values(set("a b", "c"))}},
		{"mesh-headers": object{"request": values(set("", "c"))}},
		{"mesh-headers": object{"request": values(set("Host", "c"))}},
		{"mesh-headers": object{"response": values(set("a", []any{variable("post_arg_x")}))}},
		{"mesh-headers": object{"response": values(set("a", []any{1}))}},
		{"mesh-mirror": object{"mirrors": []object{{"percentage": 1}}}},
		{"mesh-retry": object{"attempts": -1}},
		{"mesh-retry": object{"timeout": 0}},
		{"mesh-retry": object{"on": list("4xx")}},
		{"mesh-retry": object{"statuses": []int{200}}},
	}
	for i, plugins := range bad {
		p.route("refused-"+strconv.Itoa(i), "refused", plugins)
	}
	p.route("refused-not", "refused", object{"mesh-headers": object{}})
	p.sync()
	for i, plugins := range bad {
		if res := p.do(request{host: "refused-" + strconv.Itoa(i) + ".test"}); res.status != http.StatusNotFound {
			p.t.Errorf("%v is accepted: %d", plugins, res.status)
		}
	}
	p.do(request{host: "refused-not.test"}).got(p.t)
}
