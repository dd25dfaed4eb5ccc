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
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"

	"istio.io/istio/pkg/test/util/assert"
	"istio.io/istio/pkg/test/util/retry"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/ads"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/config"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/standin"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/status"
)

// sidecar is an agent that a test can end and start again.
type sidecar struct {
	*agent.Agent
	t    *testing.T
	stop context.CancelFunc
	done chan error
}

// environment is that of a host without Kubernetes, in an empty working directory.
func environment(t *testing.T, istiod string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for k, v := range map[string]string{
		"POD_NAME": "productpage-1", "POD_NAMESPACE": "bookinfo", "INSTANCE_IP": "127.0.0.1", "SERVICE_ACCOUNT": "productpage",
		"PROXY_CONFIG": "discoveryAddress: " + istiod,
	} {
		t.Setenv(k, v)
	}
}

func start(t *testing.T, dir, gateway string, change func(*config.Args)) *sidecar {
	t.Helper()
	args := config.Args{
		Plaintext: true, GatewayAddress: gateway, DataDir: dir, Profiling: true,
		ReadinessAddress: "127.0.0.1:0", StatusAddress: "127.0.0.1:0", AdminAddress: "127.0.0.1:0",
	}
	if change != nil {
		change(&args)
	}
	cfg, err := config.New(args)
	assert.NoError(t, err)
	a, err := agent.New(cfg)
	assert.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	s := &sidecar{Agent: a, t: t, stop: cancel, done: make(chan error, 1)}
	go func() { s.done <- a.Run(ctx) }()
	t.Cleanup(func() { s.end() })
	return s
}

// end ends the agent as SIGTERM does.
func (s *sidecar) end() {
	s.t.Helper()
	s.stop()
	if s.done == nil {
		return
	}
	select {
	case err := <-s.done:
		s.done = nil
		assert.NoError(s.t, err)
	case <-time.After(30 * time.Second):
		s.t.Fatal("the agent does not end")
	}
}

func (s *sidecar) get(address fmt.Stringer, path string) (int, string) {
	s.t.Helper()
	client := http.Client{Timeout: 20 * time.Second}
	response, err := client.Get("http://" + address.String() + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	assert.NoError(s.t, err)
	return response.StatusCode, string(b)
}

func (s *sidecar) awaitReady() {
	s.t.Helper()
	await(s.t, func() bool {
		code, _ := s.get(s.Addresses().Readiness, "/healthz/ready")
		return code == http.StatusOK
	})
}

func await(t *testing.T, done func() bool) {
	t.Helper()
	retry.UntilOrFail(t, done, retry.Timeout(30*time.Second), retry.Delay(5*time.Millisecond))
}

func route(id, uri string) string {
	return fmt.Sprintf(`{"id":%q,"upstream_id":"u","uri":%q}`, id, uri)
}

const upstream = `{"id":"u","nodes":[{"host":"127.0.0.1","port":1,"weight":1}]}`

func TestFromIstiodToTheGateway(t *testing.T) {
	mesh := standin.NewMesh(standin.Resource("routes", "r", route("r", "/1")), standin.Resource("upstreams", "u", upstream))
	istiod := standin.Start(t, mesh.Serve)
	environment(t, istiod.Address)
	s := start(t, t.TempDir(), "127.0.0.1:0", nil)
	s.awaitReady()

	apisix := newWatcher(t, s.Addresses().Gateway.String())
	assert.Equal(t, apisix.get("/apisix/routes/r"), route("r", "/1"))
	assert.Equal(t, apisix.get("/apisix/upstreams/u"), upstream)
	assert.Equal(t, apisix.get("/apisix/routes/"), "init_dir")
	apisix.watch()

	// One push: an upstream and the route that names it are added, another route goes with its upstream.
	mesh.Set(
		standin.Resource("routes", "s", `{"id":"s","upstream_id":"v","uri":"/s"}`),
		standin.Resource("upstreams", "v", strings.ReplaceAll(upstream, `"u"`, `"v"`)),
	)
	apisix.await(func(m map[string]string) bool { return m["/apisix/routes/s"] != "" && m["/apisix/upstreams/v"] != "" })
	mesh.Remove("upstreams/u", "routes/r")
	apisix.await(func(m map[string]string) bool { return m["/apisix/routes/r"] == "" && m["/apisix/upstreams/u"] == "" })
	assert.Equal(t, apisix.events(), []string{
		"PUT /apisix/upstreams/v", "PUT /apisix/routes/s", "DELETE /apisix/routes/r", "DELETE /apisix/upstreams/u",
	})

	// People see it.
	_, body := s.get(s.Addresses().Admin, "/status")
	var st status.Status
	assert.NoError(t, json.Unmarshal([]byte(body), &st))
	assert.Equal(t, st.XDS.State, ads.StateConnected)
	assert.Equal(t, st.Store.Resources, 2)
	assert.Equal(t, st.Serving, true)
	assert.Equal(t, st.Store.Etcd.Watchers, 1)
	code, body := s.get(s.Addresses().Admin, "/config_dump?kind=routes")
	assert.Equal(t, code, http.StatusOK)
	if !strings.Contains(body, "VirtualService default/s spec.http[0]") {
		t.Errorf("the origin of a route is not shown: %s", body)
	}
	code, body = s.get(s.Addresses().Status, "/stats/prometheus")
	assert.Equal(t, code, http.StatusOK)
	for _, metric := range []string{"apisix_resources 2", "apisix_ready 1", "apisix_gateway_watchers 1", "apisix_xds_acks_total"} {
		if !strings.Contains(body, "istio_agent_"+metric) {
			t.Errorf("no metric %q", metric)
		}
	}
	code, body = s.get(s.Addresses().Admin, "/")
	assert.Equal(t, code, http.StatusOK)
	if !strings.Contains(body, "sidecar~127.0.0.1~productpage-1.bookinfo~bookinfo.svc.cluster.local") {
		t.Error("the page does not name the node")
	}
}

func TestBadResourceIsNackedByNameAndTheRestServes(t *testing.T) {
	mesh := standin.NewMesh(standin.Resource("routes", "r", route("r", "/1")), standin.Resource("upstreams", "u", upstream))
	istiod := standin.Start(t, mesh.Serve)
	environment(t, istiod.Address)
	s := start(t, t.TempDir(), "127.0.0.1:0", nil)
	s.awaitReady()
	mesh.AwaitAnswers(t, 1)
	apisix := newWatcher(t, s.Addresses().Gateway.String())
	apisix.watch()

	mesh.Set(standin.Resource("routes", "r", `{"id":"r","uri":`), standin.Resource("routes", "good", route("good", "/good")))
	answers := mesh.AwaitAnswers(t, 2)
	if m := answers[1].GetErrorDetail().GetMessage(); !strings.Contains(m, `"routes/r"`) || strings.Contains(m, "routes/good") {
		t.Errorf("the NACK says %q", m)
	}
	apisix.await(func(m map[string]string) bool { return m["/apisix/routes/good"] != "" })
	assert.Equal(t, apisix.get("/apisix/routes/r"), route("r", "/1"))
	assert.Equal(t, len(s.Status().Rejected), 1)

	mesh.Set(standin.Resource("routes", "r", route("r", "/2")))
	apisix.await(func(m map[string]string) bool { return m["/apisix/routes/r"] == route("r", "/2") })
	await(t, func() bool { return len(s.Status().Rejected) == 0 })
}

// TestRestartUnderARunningAPISIX ends the agent while APISIX watches, and istiod goes away and comes back changed.
func TestRestartUnderARunningAPISIX(t *testing.T) {
	mesh := standin.NewMesh(
		standin.Resource("routes", "r", route("r", "/1")), standin.Resource("routes", "gone", route("gone", "/1")),
		standin.Resource("upstreams", "u", upstream),
	)
	istiod := standin.Start(t, mesh.Serve)
	environment(t, istiod.Address)
	dir := t.TempDir()
	s := start(t, dir, "127.0.0.1:0", nil)
	s.awaitReady()
	mesh.AwaitAnswers(t, 1)
	gateway := s.Addresses().Gateway.String()
	apisix := newWatcher(t, gateway)
	apisix.watch()
	last := apisix.revision()

	istiod.Stop()
	s.end()
	mesh.Remove("routes/gone")

	// The agent alone: ready from disk.
	s = start(t, dir, gateway, nil)
	s.awaitReady()
	assert.Equal(t, s.Status().Store.Loaded, 3)
	apisix.await(func(m map[string]string) bool { return len(m) == 3 })
	await(t, func() bool { return apisix.revision() > last })
	assert.Equal(t, apisix.canceled() >= 1, true)
	reloads := apisix.canceled()

	// istiod again: nothing travels but what changed.
	before, asked := len(mesh.Responses()), len(mesh.Requests())
	standin.StartAt(t, istiod.Address, mesh.Serve)
	apisix.await(func(m map[string]string) bool { return m["/apisix/routes/gone"] == "" && len(m) == 2 })
	first := mesh.Requests()[asked]
	assert.Equal(t, len(first.GetInitialResourceVersions()), 3)
	response := mesh.Responses()[before]
	assert.Equal(t, len(response.GetResources()), 0)
	assert.Equal(t, response.GetRemovedResources(), []string{"routes/gone"})
	// That came over the watch, without reading everything again.
	assert.Equal(t, apisix.canceled(), reloads)
	assert.Equal(t, apisix.revisionsGrew(), true)
}

// heldUntil serves mesh to streams once release is closed.
func heldUntil(release <-chan struct{}, mesh *standin.Mesh) func(standin.Stream) error {
	return func(stream standin.Stream) error {
		select {
		case <-release:
		case <-stream.Context().Done():
			return nil
		}
		return mesh.Serve(stream)
	}
}

// TestNothingIsServedBeforeThereIsSomething: an APISIX from before must not take an empty store for the truth.
func TestNothingIsServedBeforeThereIsSomething(t *testing.T) {
	release := make(chan struct{})
	mesh := standin.NewMesh(standin.Resource("upstreams", "u", upstream))
	istiod := standin.Start(t, heldUntil(release, mesh))
	environment(t, istiod.Address)
	s := start(t, t.TempDir(), "127.0.0.1:0", nil)
	await(t, func() bool {
		code, body := s.get(s.Addresses().Readiness, "/healthz/ready")
		return code == http.StatusServiceUnavailable && strings.Contains(body, "no configuration yet")
	})
	answered := make(chan string, 1)
	go func() {
		apisix := newWatcher(t, s.Addresses().Gateway.String())
		answered <- apisix.get("/apisix/upstreams/u")
	}()
	select {
	case v := <-answered:
		t.Fatalf("answered %q before there was a configuration", v)
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	assert.Equal(t, <-answered, upstream)
	s.awaitReady()
}

func TestRefusalsAreInTheStatus(t *testing.T) {
	for _, tt := range []struct {
		name  string
		err   error
		cause ads.Cause
		want  string
	}{
		{"wrong token", grpcstatus.Error(codes.Unauthenticated, "authentication failure"), ads.CauseCredentials, "authentication failure"},
		{"another namespace", grpcstatus.Error(codes.PermissionDenied, "authorization failed: no identities"), ads.CauseIdentity, "no identities"},
		{
			"plain istiod", grpcstatus.Error(codes.Unauthenticated, "the api generator requires an authenticated control-plane identity"),
			ads.CauseNoSuchType, "does not serve APISIX resources",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			istiod := standin.Start(t, func(stream standin.Stream) error {
				if _, err := stream.Recv(); err != nil {
					return err
				}
				return tt.err
			})
			environment(t, istiod.Address)
			s := start(t, t.TempDir(), "127.0.0.1:0", nil)
			await(t, func() bool { f := s.Status().XDS.LastFailure; return f != nil && f.Cause == tt.cause && f.RetryIn > 0 })
			code, body := s.get(s.Addresses().Readiness, "/healthz/ready")
			assert.Equal(t, code, http.StatusServiceUnavailable)
			if !strings.Contains(body, tt.want) {
				t.Errorf("readiness says %q, not %q", body, tt.want)
			}
		})
	}
}

// TestWithTLS is the way of production: a root, a token and a certificate of the CA's.
func TestWithTLS(t *testing.T) {
	ca := standin.NewCA(t)
	ca.Token = "the-token"
	mesh := standin.NewMesh(standin.Resource("upstreams", "u", upstream))
	seen := make(chan string, 10)
	istiod := standin.Start(t, func(stream standin.Stream) error {
		if standin.Bearer(stream.Context()) != "the-token" {
			return grpcstatus.Error(codes.Unauthenticated, "authentication failure")
		}
		seen <- standin.Identity(stream.Context())
		return mesh.Serve(stream)
	}, standin.WithTLS(ca.Server(t), ca), standin.WithCA(ca))
	environment(t, istiod.Address)
	assert.NoError(t, os.MkdirAll("var/run/secrets/istio", 0o700))
	assert.NoError(t, os.MkdirAll("var/run/secrets/tokens", 0o700))
	assert.NoError(t, os.WriteFile("var/run/secrets/istio/root-cert.pem", ca.RootPEM, 0o600))
	assert.NoError(t, os.WriteFile("var/run/secrets/tokens/istio-token", []byte("not-the-token"), 0o600))
	s := start(t, t.TempDir(), "127.0.0.1:0", func(a *config.Args) { a.Plaintext = false })
	await(t, func() bool { f := s.Status().XDS.LastFailure; return f != nil && f.Cause == ads.CauseCredentials })
	if f := s.Status().XDS.LastFailure.String(); !strings.Contains(f, "istio-token") || strings.Contains(f, "not-the-token") {
		t.Errorf("the failure %q does not name the token's file, or tells the token", f)
	}
	assert.NoError(t, os.WriteFile("var/run/secrets/tokens/istio-token", []byte("the-token"), 0o600))
	s.awaitReady()
	await(t, func() bool {
		c := s.Status().Certificate
		return c != nil && c.Identity == "spiffe://cluster.local/ns/bookinfo/sa/productpage"
	})
	<-seen
}

func TestPortsThatAreTaken(t *testing.T) {
	environment(t, "127.0.0.1:1")
	first := start(t, t.TempDir(), "127.0.0.1:0", nil)
	for _, tt := range []struct {
		name   string
		change func(*config.Args)
	}{
		{"gateway", func(a *config.Args) { a.GatewayAddress = first.Addresses().Gateway.String() }},
		{"readiness", func(a *config.Args) { a.ReadinessAddress = first.Addresses().Readiness.String() }},
		{"status", func(a *config.Args) { a.StatusAddress = first.Addresses().Status.String() }},
		{"admin", func(a *config.Args) { a.AdminAddress = first.Addresses().Admin.String() }},
		{"gateway", func(a *config.Args) { a.GatewayAddress = "0.0.0.0:0" }},
	} {
		args := config.Args{
			Plaintext: true, GatewayAddress: "127.0.0.1:0", DataDir: t.TempDir(),
			ReadinessAddress: "127.0.0.1:0", StatusAddress: "127.0.0.1:0", AdminAddress: "127.0.0.1:0",
		}
		tt.change(&args)
		cfg, err := config.New(args)
		assert.NoError(t, err)
		_, err = agent.New(cfg)
		if err == nil || !strings.Contains(err.Error(), tt.name) {
			t.Errorf("%s: error %v", tt.name, err)
		}
	}
}
