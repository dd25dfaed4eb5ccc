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

package agent_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/user"
	"slices"
	"strings"
	"testing"
	"time"

	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/apisixconf"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/standin"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/instance"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/instance/instancetest"
)

// realAPISIX is a stock APISIX that reads from a gateway.
type realAPISIX struct {
	*instance.Instance
	t       *testing.T
	address string
}

// startAPISIX starts an APISIX of this machine, or skips the test.
func startAPISIX(t *testing.T, gateway string) *realAPISIX {
	t.Helper()
	me, err := user.Current()
	assert.NoError(t, err)
	address := freeAddress(t)
	config, err := apisixconf.Render(apisixconf.Options{
		Gateway: gateway, Listen: []string{address}, Plugins: []string{"proxy-rewrite", "fault-injection"}, Control: freeAddress(t),
		// The test's directories are its own.
		User: me.Username, Workers: 1,
	})
	assert.NoError(t, err)
	return &realAPISIX{instancetest.Start(t, string(config), nil), t, address}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	assert.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// get sends a request with a Host header; 0 when there is no answer.
func (a *realAPISIX) get(host, path string) (int, string) {
	a.t.Helper()
	request, err := http.NewRequest(http.MethodGet, "http://"+a.address+path, nil)
	assert.NoError(a.t, err)
	request.Host = host
	client := http.Client{Timeout: 10 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(body)
}

// awaitAnswer waits for an answer.
func (a *realAPISIX) awaitAnswer(host, path string, status int, body string) {
	a.t.Helper()
	var last string
	for range 1200 {
		gotStatus, gotBody := a.get(host, path)
		if gotStatus == status && strings.Contains(gotBody, body) {
			return
		}
		last = fmt.Sprintf("%d %s", gotStatus, gotBody)
		time.Sleep(50 * time.Millisecond)
	}
	a.t.Fatalf("GET %s of %s: the last answer was %s, not %d %s", path, host, last, status, body)
}

// application answers with its name, as a workload behind the sidecar.
func application(t *testing.T, name string) (host string, port string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(name))
	}))
	t.Cleanup(server.Close)
	host, port, err := net.SplitHostPort(server.Listener.Addr().String())
	assert.NoError(t, err)
	return host, port
}

// TestRealAPISIX runs a stock APISIX against the gateway: from the first configuration over changes and a restart of the
// agent, with requests through it.
func TestRealAPISIX(t *testing.T) {
	upstreamOf := func(id, name string) string {
		host, port := application(t, name)
		return fmt.Sprintf(`{"id":%q,"nodes":[{"host":%q,"port":%s,"weight":1}],"type":"roundrobin"}`, id, host, port)
	}
	routeOf := func(id, host, port, upstream string) string {
		return fmt.Sprintf(`{"hosts":[%q],"id":%q,"upstream_id":%q,"uri":"/*","vars":[["original_dst_port","==",%q]]}`, host, id, upstream, port)
	}
	mesh := standin.NewMesh(
		standin.Resource("upstreams", "v1", upstreamOf("v1", "reviews-v1")),
		standin.Resource("upstreams", "v2", upstreamOf("v2", "reviews-v2")),
		standin.Resource("routes", "reviews-80", routeOf("reviews-80", "reviews", "80", "v1")),
		standin.Resource("routes", "reviews-9080", routeOf("reviews-9080", "reviews", "9080", "v2")),
		standin.Resource("routes", "gone", routeOf("gone", "gone", "80", "v1")),
	)
	istiod := standin.Start(t, mesh.Serve)
	environment(t, istiod.Address)
	dir := t.TempDir()
	s := start(t, dir, "127.0.0.1:0", nil)
	s.awaitReady()
	gateway := s.Addresses().Gateway.String()
	apisix := startAPISIX(t, gateway)

	// The port in the Host header tells the services apart; without one it is 80.
	apisix.awaitAnswer("reviews", "/", http.StatusOK, "reviews-v1")
	apisix.awaitAnswer("reviews:80", "/", http.StatusOK, "reviews-v1")
	apisix.awaitAnswer("reviews:9080", "/", http.StatusOK, "reviews-v2")
	apisix.awaitAnswer("reviews:81", "/", http.StatusNotFound, "")
	apisix.awaitAnswer("gone", "/", http.StatusOK, "reviews-v1")

	// A change, an addition and a removal.
	mesh.Set(
		standin.Resource("routes", "reviews-80", routeOf("reviews-80", "reviews", "80", "v3")),
		standin.Resource("upstreams", "v3", upstreamOf("v3", "reviews-v3")),
	)
	apisix.awaitAnswer("reviews", "/", http.StatusOK, "reviews-v3")
	mesh.Remove("routes/gone")
	apisix.awaitAnswer("gone", "/", http.StatusNotFound, "")

	// The agent goes away: APISIX serves on. It comes back from disk, with istiod away: nothing changes.
	mesh.AwaitAnswers(t, 3)
	istiod.Stop()
	s.end()
	apisix.awaitAnswer("reviews", "/", http.StatusOK, "reviews-v3")
	s = start(t, dir, gateway, nil)
	s.awaitReady()
	await(t, func() bool { return s.Status().Store.Etcd.Watchers > 0 })
	apisix.awaitAnswer("reviews", "/", http.StatusOK, "reviews-v3")

	// And changes arrive again, by the same APISIX.
	mesh.Set(standin.Resource("routes", "reviews-80", routeOf("reviews-80", "reviews", "80", "v1")))
	mesh.Remove("upstreams/v3")
	standin.StartAt(t, istiod.Address, mesh.Serve)
	apisix.awaitAnswer("reviews", "/", http.StatusOK, "reviews-v1")

	// It had nothing to complain about but the gateway being away for a while.
	expected := []string{"etcd", "connect() failed", "send() failed", "recv() failed"}
	for line := range strings.SplitSeq(apisix.ErrorLog(), "\n") {
		if strings.Contains(line, "[error]") && !slices.ContainsFunc(expected, func(s string) bool { return strings.Contains(line, s) }) {
			t.Errorf("APISIX complains: %s", line)
		}
	}
}

// TestRealAPISIXWaitsForTheFirstConfiguration starts APISIX before there is anything to serve.
func TestRealAPISIXWaitsForTheFirstConfiguration(t *testing.T) {
	release := make(chan struct{})
	host, port := application(t, "reviews")
	mesh := standin.NewMesh(standin.Resource("routes", "r", fmt.Sprintf(
		`{"id":"r","upstream":{"nodes":[{"host":%q,"port":%s,"weight":1}],"type":"roundrobin"},"uri":"/*"}`, host, port)))
	istiod := standin.Start(t, heldUntil(release, mesh))
	environment(t, istiod.Address)
	s := start(t, t.TempDir(), "127.0.0.1:0", nil)
	apisix := startAPISIX(t, s.Addresses().Gateway.String())
	for range 20 {
		if status, body := apisix.get("reviews", "/"); status == http.StatusOK {
			t.Fatalf("APISIX serves %q from nothing", body)
		}
		time.Sleep(50 * time.Millisecond)
	}
	close(release)
	apisix.awaitAnswer("reviews", "/", http.StatusOK, "reviews")
}
