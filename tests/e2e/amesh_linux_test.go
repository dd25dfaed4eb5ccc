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
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// version is a workload of one version of a service of several.
func version(name, v, podIP string) string {
	return fmt.Sprintf(`apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: %[1]s-%[2]s, namespace: default}
spec:
  address: %[3]s
  labels: {app: %[1]s, version: %[2]s, security.istio.io/tlsMode: istio}
  serviceAccount: %[1]s
---
`, name, v, podIP)
}

const webService = `apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec:
  clusterIP: 10.96.0.10
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
`

const webSubsets = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: default}
spec:
  host: web
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
`

// webRules is a VirtualService of web with these rules.
func webRules(rules string) string {
	return "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: web, namespace: default}\nspec:\n  hosts: [web]\n  http:\n" + rules
}

// TestAmesh plays the cases of Amesh's end-to-end tests, whose users must find here what they had: 14 of 17, with a shorter delay. The three on
// its plugins wait for plugins of users.
func TestAmesh(t *testing.T) {
	client := service("client", "10.96.0.11", "10.88.0.11", both)
	v1, v2 := version("web", "v1", "10.88.0.10"), version("web", "v2", "10.88.0.13")
	m := newMesh(t, client+webService+v1)
	web, other := m.newPod("web-v1", "10.88.0.10"), m.newPod("web-v2", "10.88.0.13")
	for v, p := range map[string]*pod{"v1": web, "v2": other} {
		p.account = "web"
		p.labels = map[string]string{"app": "web", "version": v}
		p.inject()
		p.serveHTTP(8080)
	}
	caller, outside := m.newPod("client", "10.88.0.11").inject(), m.newPod("outside", "10.88.0.12")
	outside.serveHTTP(8888)
	for _, p := range []*pod{web, other, caller} {
		p.ready()
	}
	m.apply("subsets", webSubsets)

	call := func() string { return caller.get("10.96.0.10:80", "web") }
	with := func(header, value string) string {
		request, err := http.NewRequest(http.MethodGet, "http://web/", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set(header, value)
		return fetchRequest(caller.client("10.96.0.10:80"), request)
	}
	// shares is how many of n requests each version answers.
	shares := func(n int) (v1, v2, neither int) {
		c := caller.client("10.96.0.10:80")
		for range n {
			switch got := fetch(c, "http://web/"); {
			case strings.HasPrefix(got, "200 web-v1"):
				v1++
			case strings.HasPrefix(got, "200 web-v2"):
				v2++
			default:
				neither++
			}
		}
		return v1, v2, neither
	}
	both := func() error {
		if v1, v2, neither := shares(40); v1 == 0 || v2 == 0 || neither > 0 {
			return fmt.Errorf("%d, %d and %d", v1, v2, neither)
		}
		return nil
	}
	all := func(want string) func() error {
		return func() error {
			v1, v2, neither := shares(20)
			if want == "v1" && v1 == 20 || want == "v2" && v2 == 20 {
				return nil
			}
			return fmt.Errorf("%d, %d and %d", v1, v2, neither)
		}
	}
	const toV1, toV2 = "  - route: [{destination: {host: web, subset: v1}}]\n", "  - route: [{destination: {host: web, subset: v2}}]\n"
	steps := []struct {
		name string
		do   func()
		want func() error
	}{
		{"from outside to inside", nil, begins("200 web-v1", func() string { return outside.get("10.88.0.10:8080", "web") })},
		{"from inside to inside", nil, begins("200 web-v1", call)},
		{"from inside to outside", nil, begins("200 outside", func() string { return caller.get("10.88.0.12:8888", "outside:8888") })},
		{"a pod more", func() { m.apply("mesh", client+webService+v1+v2) }, both},
		{"a pod less", func() { m.apply("mesh", client+webService+v1) }, all("v1")},
		{"another pod in its place", func() { m.apply("mesh", client+webService+v2) }, all("v2")},
		{"no pod", func() { m.apply("mesh", client+webService) }, begins("503", call)},
		{"recovered", func() { m.apply("mesh", client+webService+v1+v2) }, both},
		{"all to the first version", func() { m.apply("rules", webRules(toV1)) }, all("v1")},
		{"all to the second version", func() { m.apply("rules", webRules(toV2)) }, all("v2")},
		{"a header decides", func() {
			m.apply("rules", webRules("  - match: [{headers: {x-user: {exact: tester}}}]\n    route: [{destination: {host: web, subset: v2}}]\n"+toV1))
		}, func() error {
			return errors.Join(begins("200 web-v2", func() string { return with("x-user", "tester") })(), begins("200 web-v1", func() string { return with("x-user", "another") })())
		}},
		{"an abort", func() {
			m.apply("rules", webRules("  - fault: {abort: {httpStatus: 555, percentage: {value: 100}}}\n    route: [{destination: {host: web, subset: v1}}]\n"))
		}, begins("555 fault filter abort", call)},
		{"a delay", func() {
			m.apply("rules", webRules("  - fault: {delay: {fixedDelay: 2s, percentage: {value: 100}}}\n    route: [{destination: {host: web, subset: v1}}]\n"))
		}, func() error {
			start := time.Now()
			if err := begins("200 web-v1", call)(); err != nil {
				return err
			}
			if d := time.Since(start); d < 2*time.Second || d > 4*time.Second {
				return fmt.Errorf("it took %s", d)
			}
			return nil
		}},
		{"a split", func() {
			m.apply("rules", webRules("  - route:\n    - {destination: {host: web, subset: v1}, weight: 20}\n    - {destination: {host: web, subset: v2}, weight: 80}\n"))
		}, func() error {
			if v1, v2, neither := shares(100); v1 < 5 || v1 > 40 || neither > 0 {
				return fmt.Errorf("%d, %d and %d", v1, v2, neither)
			}
			return nil
		}},
		{"a timeout", func() {
			m.apply("rules", webRules("  - match: [{uri: {prefix: /slow}}]\n    timeout: 0.5s\n    route: [{destination: {host: web, subset: v1}}]\n"+toV1))
		}, begins("504", func() string { return fetch(caller.client("10.96.0.10:80"), "http://web/slow") })},
		{"the control plane is away", func() { m.stopIstiod() }, begins("200 web-v1", call)},
		{"and is back", func() {
			m.startIstiod()
			m.apply("rules", webRules(toV2))
		}, all("v2")},
	}
	for _, s := range steps {
		if s.do != nil {
			s.do()
		}
		m.eventually(s.name, s.want)
	}
}

// begins says whether an answer does as it should.
func begins(want string, f func() string) func() error {
	return func() error {
		if got := f(); !strings.HasPrefix(got, want) {
			return fmt.Errorf("got %q, want %q", got, want)
		}
		return nil
	}
}
