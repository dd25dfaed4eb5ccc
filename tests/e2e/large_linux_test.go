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

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// manyRules are n rules of a few virtual services, each with a header of so many bytes.
func manyRules(n, size int) string {
	var b strings.Builder
	for i := range n {
		if i%500 == 0 {
			fmt.Fprintf(&b, "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: large-%d, namespace: default}\nspec:\n  hosts: [large-%d.example.com]\n  http:\n", i/500, i/500)
		}
		fmt.Fprintf(&b, "  - match: [{uri: {exact: /%d}}, {headers: {x: {exact: %q}}}]\n    directResponse: {status: 250, body: {string: \"%d\"}}\n", i, strings.Repeat("x", size), i)
	}
	return b.String()
}

// manyHosts are the services of those rules.
func manyHosts(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: large-%[1]d, namespace: default}\nspec:\n  hosts: [large-%[1]d.example.com]\n"+
			"  ports: [{number: 80, name: http, protocol: HTTP}]\n  resolution: STATIC\n  addresses: [10.98.0.%[1]d]\n  endpoints: [{address: 10.88.0.12}]\n", i)
	}
	return b.String()
}

// TestLargeConfiguration gives a sidecar 5,000 rules of 10 MB together.
func TestLargeConfiguration(t *testing.T) {
	m := newMesh(t, twoServices()+manyHosts(10))
	m.patience = 5 * patience
	m.apply("peers", strict)
	server, client := m.newPod("server", "10.88.0.10").inject(), m.newPod("client", "10.88.0.11").inject()
	server.serveHTTP(8080)
	server.ready()
	client.ready()
	m.expect("requests are served", "200 server", func() string { return client.get("10.96.0.10:80", "server") })
	start := time.Now()
	m.apply("large", manyRules(5000, 2000))
	m.expect("the last rule applies", "250 4999", func() string { return fetch(client.client("10.98.0.9:80"), "http://large-9.example.com/4999") })
	t.Logf("5,000 rules of 10 MB are there after %s", time.Since(start).Round(100*time.Millisecond))
	m.expect("the first rule applies", "250 0", func() string { return fetch(client.client("10.98.0.1:80"), "http://large-0.example.com/0") })
	m.expect("requests are served", "200 server", func() string { return client.get("10.96.0.10:80", "server") })
	start = time.Now()
	m.apply("rules", answer("small", 555))
	m.expect("a small change applies", "555 small", func() string { return client.get("10.96.0.10:80", "server") })
	t.Logf("a small change beside them is there after %s", time.Since(start).Round(100*time.Millisecond))
	st, err := client.status()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the last push had %d resources", st.XDS.LastPush.Resources)
	m.remove("large")
	m.expect("no rule is left", "50", func() string { return fetch(client.client("10.98.0.9:80"), "http://large-9.example.com/4999") })
}
