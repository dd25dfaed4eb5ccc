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
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/standin"
)

const playedAddress = hubAddress + ":15010"

// played is a gateway whose control plane is the test.
func played(t *testing.T, config string, resources ...*discovery.Resource) (m *mesh, istiod *standin.Mesh, gw, outside *pod) {
	t.Helper()
	m = newHub(t)
	istiod = standin.NewMesh(append(resources,
		standin.Resource("plugin_metadata", "mesh-listeners", `{"id":"mesh-listeners","listeners":[{"port":8080,"protocol":"http"}]}`),
		standin.Resource("upstreams", "u", `{"id":"u","nodes":[{"host":"10.88.0.12","port":8888,"weight":1}],"type":"roundrobin"}`),
	)...)
	standin.StartAt(t, playedAddress, istiod.Serve)
	outside = m.newPod("outside", "10.88.0.12")
	outside.serveHTTP(8888)
	gw = m.newPod("ingress", ingressAddress)
	gw.env = []string{"ISTIOD_PLAINTEXT=true", `PROXY_CONFIG={"discoveryAddress":"` + playedAddress + `","concurrency":2,` + config + `}`}
	gw.gateway()
	return m, istiod, gw, outside
}

// routeOf is a route of a host to the pod "outside".
func routeOf(host, more string) *discovery.Resource {
	id := strings.ReplaceAll(host, ".", "-")
	return standin.Resource("routes", id, fmt.Sprintf(`{"hosts":[%q],"id":%q,%s"upstream_id":"u","uri":"/*"}`, host, id, more))
}

// complaint is the message of the last NACK that names a resource.
func complaint(istiod *standin.Mesh, name string) string {
	requests := istiod.Requests()
	for i := range requests {
		if m := requests[len(requests)-1-i].GetErrorDetail().GetMessage(); strings.Contains(m, name) {
			return m
		}
	}
	return ""
}

// TestRefusedByAPISIX sends resources that the agent takes and APISIX does not.
func TestRefusedByAPISIX(t *testing.T) {
	m, istiod, gw, outside := played(t, `"terminationDrainDuration":"1s"`, routeOf("a.test", ""), routeOf("b.test", `"plugins":{"mesh-redirect":{"code":"SECRET"}},`))
	expect := expecting(m)
	gw.ready()
	expect("what is good from the start", "200 outside", func() string { return outside.get(ingressAddress+":8080", "a.test") })
	m.eventually("what is bad from the start is refused by name", func() error {
		got := complaint(istiod, "routes/b-test")
		if !strings.Contains(got, "mesh-redirect") || strings.Contains(got, "SECRET") || strings.Contains(got, "routes/a-test") {
			return errors.New(got)
		}
		return nil
	})

	istiod.Set(routeOf("a.test", `"plugins":{"mesh-redirect":{"code":7}},`), routeOf("c.test", ""))
	expect("what comes with something bad", "200 outside", func() string { return outside.get(ingressAddress+":8080", "c.test") })
	m.eventually("another version is refused", func() error {
		if got := complaint(istiod, "routes/a-test"); !strings.Contains(got, "mesh-redirect") {
			return errors.New(got)
		}
		return nil
	})
	// The last good one is what APISIX has, also one that is started anew.
	expect("the last good one", "200 outside", func() string { return outside.get(ingressAddress+":8080", "a.test") })
	for _, pid := range gw.processes("nginx: master") {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	for _, pid := range gw.processes("nginx: ") {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	expect("the last good one after a restart", "200 outside", func() string { return outside.get(ingressAddress+":8080", "a.test") })

	istiod.Set(routeOf("a.test", `"plugins":{"mesh-redirect":{"authority":"elsewhere.test","code":301}},`), routeOf("b.test", ""))
	expect("what was mended", "301 http://elsewhere.test/", func() string { return outside.redirected(ingressAddress+":8080", "a.test") })
	expect("the other one that was mended", "200 outside", func() string { return outside.get(ingressAddress+":8080", "b.test") })
	requests := istiod.Requests()
	if last := requests[len(requests)-1]; last.GetErrorDetail() != nil {
		t.Errorf("the last answer is a NACK: %s", last.GetErrorDetail().GetMessage())
	}
}

// TestProxyMetrics: the metrics of APISIX join those of the agent as soon as something is measured.
func TestProxyMetrics(t *testing.T) {
	m, istiod, gw, outside := played(t, `"terminationDrainDuration":"1s"`, routeOf("a.test", ""))
	expect := expecting(m)
	gw.ready()
	scrape := func() string {
		return fetch(outside.client(ingressAddress+":15020"), "http://ingress/stats/prometheus")
	}
	expect("a route", "200 outside", func() string { return outside.get(ingressAddress+":8080", "a.test") })
	if got := scrape(); !strings.Contains(got, "istio_agent_") || strings.Contains(got, "\napisix_http_status") ||
		strings.Contains(got, `istio_agent_scrape_failures_total{type="envoy"}`) {
		t.Errorf("without the plugin: %s", got)
	}
	istiod.Set(routeOf("a.test", `"plugins":{"prometheus":{}},`))
	m.eventually("requests are counted", func() error {
		_ = outside.get(ingressAddress+":8080", "a.test")
		if got := scrape(); !strings.Contains(got, "\napisix_http_status{") || !strings.Contains(got, "istio_agent_") {
			return errors.New(got[:min(len(got), 300)])
		}
		return nil
	})
}

// TestDrain ends a gateway in the ways in which Istio ends its proxies.
func TestDrain(t *testing.T) {
	// post asks the agent from inside of the pod.
	post := func(gw *pod, path string) {
		t.Helper()
		response, err := gw.client("127.0.0.1:15020").Post("http://127.0.0.1:15020"+path, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", path, response.Status)
		}
	}
	// closes says that the gateway tells its clients to go.
	closes := func(outside *pod) string {
		response, err := outside.client(ingressAddress + ":8080").Get("http://a.test/")
		if err != nil {
			return "error: " + err.Error()
		}
		_ = response.Body.Close()
		return fmt.Sprint(response.StatusCode, " ", response.Close)
	}
	within := func(gw *pod, d time.Duration) {
		t.Helper()
		start := time.Now()
		select {
		case <-gw.agent.ended:
			t.Logf("after %s", time.Since(start))
		case <-time.After(d):
			t.Fatalf("the agent does not end within %s", d)
		}
		if left := gw.processes("nginx: "); len(left) > 0 {
			t.Errorf("APISIX is left: %v", left)
		}
	}
	setUp := func(t *testing.T, config string, env ...string) (m *mesh, gw, outside *pod) {
		m, _, gw, outside = played(t, config, routeOf("a.test", ""))
		gw.ready()
		expecting(m)("a route", "200 false", func() string { return closes(outside) })
		if len(env) > 0 {
			gw.agent.signal(syscall.SIGTERM)
			<-gw.agent.ended
			gw.env = append(gw.env, env...)
			gw.startAgent()
			gw.ready()
			expecting(m)("a route", "200 false", func() string { return closes(outside) })
		}
		return m, gw, outside
	}
	t.Run("drain, then the end", func(t *testing.T) {
		m, gw, outside := setUp(t, `"terminationDrainDuration":"600s"`)
		post(gw, "/drain")
		expecting(m)("clients are told to go", "200 true", func() string { return closes(outside) })
		gw.agent.signal(syscall.SIGTERM)
		within(gw, 30*time.Second)
	})
	t.Run("quitquitquit", func(t *testing.T) {
		_, gw, _ := setUp(t, `"terminationDrainDuration":"600s"`)
		post(gw, "/quitquitquit")
		within(gw, 30*time.Second)
	})
	t.Run("the end, which clients have time to hear of", func(t *testing.T) {
		m, gw, outside := setUp(t, `"terminationDrainDuration":"8s"`)
		gw.agent.signal(syscall.SIGTERM)
		start := time.Now()
		expecting(m)("clients are told to go", "200 true", func() string { return closes(outside) })
		within(gw, 30*time.Second)
		if time.Since(start) < 7*time.Second {
			t.Errorf("it ended after %s", time.Since(start))
		}
	})
	t.Run("EXIT_ON_ZERO_ACTIVE_CONNECTIONS", func(t *testing.T) {
		m, gw, outside := setUp(t, `"terminationDrainDuration":"1s"`, "EXIT_ON_ZERO_ACTIVE_CONNECTIONS=true", "MINIMUM_DRAIN_DURATION=1s")
		// A request that has begun, of which APISIX waits for the rest.
		c, err := outside.dial(t.Context(), ingressAddress+":8080")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		gw.agent.signal(syscall.SIGTERM)
		m.eventually("the connection is counted", func() error {
			if !strings.Contains(lastLines(gw.log(), 20), "draining: 1 connections") {
				return errors.New(lastLines(gw.log(), 5))
			}
			return nil
		})
		if _, err := io.WriteString(c, "x"); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(c).ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "HTTP/1.1 200") {
			t.Errorf("the request that had begun: %q, %v", line, err)
		}
		_ = c.Close()
		within(gw, 30*time.Second)
	})
}
