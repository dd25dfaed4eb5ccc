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

package status

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"istio.io/istio/pkg/test/util/assert"
)

// standinApp is the application that is probed.
type standinApp struct {
	port int
	// seen is the last request.
	seen atomic.Pointer[http.Request]
}

func newStandinApp(t *testing.T, tls bool) *standinApp {
	t.Helper()
	a := &standinApp{}
	mux := http.NewServeMux()
	record := func(status int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			a.seen.Store(r)
			if len(header) > 0 {
				w.Header().Set("Location", header[0])
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte("body of " + r.URL.String()))
		}
	}
	mux.HandleFunc("/ok", record(http.StatusOK))
	mux.HandleFunc("/broken", record(http.StatusServiceUnavailable))
	mux.HandleFunc("/here", record(http.StatusFound, "/ok"))
	mux.HandleFunc("/elsewhere", record(http.StatusFound, "http://elsewhere.invalid/"))
	mux.HandleFunc("/round", record(http.StatusFound, "/round"))
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(strings.Repeat("x", 1<<20)))
	})
	server := httptest.NewUnstartedServer(mux)
	if tls {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	a.port = portOf(t, server.Listener.Addr())
	return a
}

func portOf(t *testing.T, address net.Addr) int {
	t.Helper()
	_, text, err := net.SplitHostPort(address.String())
	assert.NoError(t, err)
	port, err := strconv.Atoi(text)
	assert.NoError(t, err)
	return port
}

func probing(t *testing.T, probers string) *http.Server {
	t.Helper()
	server, err := Stats(&standinSource{}, StatsOptions{Port: 15020, PodIP: "127.0.0.1", AppProbers: probers})
	assert.NoError(t, err)
	return server
}

func TestHTTPProbes(t *testing.T) {
	app, secure := newStandinApp(t, false), newStandinApp(t, true)
	for _, tt := range []struct {
		name, prober string
		code         int
		body         string
	}{
		{"ok", fmt.Sprintf(`{"httpGet":{"path":"/ok","port":%d},"timeoutSeconds":10}`, app.port), http.StatusOK, "body of /ok"},
		{"query", fmt.Sprintf(`{"httpGet":{"path":"/ok?a=b","port":%d,"scheme":"HTTP"},"timeoutSeconds":10}`, app.port), http.StatusOK, "body of /ok?a=b"},
		{"no slash", fmt.Sprintf(`{"httpGet":{"path":"ok","port":%d},"timeoutSeconds":10}`, app.port), http.StatusOK, "body of /ok"},
		{"broken", fmt.Sprintf(`{"httpGet":{"path":"/broken","port":%d},"timeoutSeconds":10}`, app.port), http.StatusServiceUnavailable, "body of /broken"},
		{"unknown", fmt.Sprintf(`{"httpGet":{"path":"/none","port":%d},"timeoutSeconds":10}`, app.port), http.StatusNotFound, "404 page not found\n"},
		{"redirect here", fmt.Sprintf(`{"httpGet":{"path":"/here","port":%d},"timeoutSeconds":10}`, app.port), http.StatusOK, "body of /ok"},
		{"redirect elsewhere", fmt.Sprintf(`{"httpGet":{"path":"/elsewhere","port":%d},"timeoutSeconds":10}`, app.port), http.StatusOK, ""},
		{"redirects in a circle", fmt.Sprintf(`{"httpGet":{"path":"/round","port":%d},"timeoutSeconds":10}`, app.port), http.StatusInternalServerError, "redirects"},
		{"HTTPS", fmt.Sprintf(`{"httpGet":{"path":"/ok","port":%d,"scheme":"HTTPS"},"timeoutSeconds":10}`, secure.port), http.StatusOK, "body of /ok"},
		{"large", fmt.Sprintf(`{"httpGet":{"path":"/large","port":%d},"timeoutSeconds":10}`, app.port), http.StatusOK, strings.Repeat("x", maxProbeBody)},
		{"nobody", fmt.Sprintf(`{"httpGet":{"path":"/ok","port":%d},"timeoutSeconds":10}`, closedPort(t)), http.StatusInternalServerError, "refused"},
		{"a path that is none", fmt.Sprintf(`{"httpGet":{"path":"/%%zz","port":%d},"timeoutSeconds":10}`, app.port), http.StatusInternalServerError, "httpGet"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, body := get(t, probing(t, `{"/app-health/web/readyz":`+tt.prober+`}`), "/app-health/web/readyz", "")
			assert.Equal(t, code, tt.code)
			if tt.code == http.StatusInternalServerError && strings.Contains(body, tt.body) {
				return
			}
			assert.Equal(t, body, tt.body)
		})
	}
}

// TestProbeIsTheKubelets: what the kubelet sends reaches the application, with the application's port, from the address that
// Istio's rules let pass by the proxy.
func TestProbeIsTheKubelets(t *testing.T) {
	app := newStandinApp(t, false)
	server := probing(t, fmt.Sprintf(`{"/app-health/web/livez":{"httpGet":{"path":"/ok","port":%d},"timeoutSeconds":10}}`, app.port))
	for host, want := range map[string]string{
		"10.1.2.3:15020": fmt.Sprintf("10.1.2.3:%d", app.port),
		"example.org":    "example.org",
		"10.1.2.3:80":    "10.1.2.3:80",
	} {
		r := httptest.NewRequest(http.MethodGet, "/app-health/web/livez", nil)
		r.Host = host
		r.Header.Set("User-Agent", "kube-probe/1.31")
		r.Header.Set("X-Own", "1")
		w := httptest.NewRecorder()
		server.Handler.ServeHTTP(w, r)
		assert.Equal(t, w.Code, http.StatusOK)
		seen := app.seen.Load()
		assert.Equal(t, seen.Host, want)
		assert.Equal(t, seen.Header.Get("User-Agent"), "kube-probe/1.31")
		assert.Equal(t, seen.Header.Get("X-Own"), "1")
		from, _, _ := net.SplitHostPort(seen.RemoteAddr)
		assert.Equal(t, from, "127.0.0.6")
	}
}

func closedPort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	assert.NoError(t, err)
	defer l.Close()
	return portOf(t, l.Addr())
}

func TestTCPProbes(t *testing.T) {
	app := newStandinApp(t, false)
	for port, want := range map[int]int{app.port: http.StatusOK, closedPort(t): http.StatusInternalServerError} {
		server := probing(t, fmt.Sprintf(`{"/app-health/web/startupz":{"tcpSocket":{"port":%d},"timeoutSeconds":10}}`, port))
		code, _ := get(t, server, "/app-health/web/startupz", "")
		assert.Equal(t, code, want)
	}
}

func TestGRPCProbes(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	assert.NoError(t, err)
	app := grpc.NewServer()
	service := health.NewServer()
	service.SetServingStatus("web", healthpb.HealthCheckResponse_SERVING)
	service.SetServingStatus("ill", healthpb.HealthCheckResponse_NOT_SERVING)
	healthpb.RegisterHealthServer(app, service)
	go func() { _ = app.Serve(l) }()
	t.Cleanup(app.Stop)
	without, err := net.Listen("tcp", "127.0.0.1:0")
	assert.NoError(t, err)
	plain := grpc.NewServer()
	go func() { _ = plain.Serve(without) }()
	t.Cleanup(plain.Stop)
	for _, tt := range []struct {
		name, service string
		port          int
		code          int
		body          string
	}{
		{"the server", "", portOf(t, l.Addr()), http.StatusOK, ""},
		{"a service", `,"service":"web"`, portOf(t, l.Addr()), http.StatusOK, ""},
		{"an ill service", `,"service":"ill"`, portOf(t, l.Addr()), http.StatusInternalServerError, `service "ill" is NOT_SERVING`},
		{"an unknown service", `,"service":"none"`, portOf(t, l.Addr()), http.StatusInternalServerError, "unknown service"},
		{"no health service", "", portOf(t, without.Addr()), http.StatusInternalServerError, "does not implement grpc.health.v1.Health"},
		{"nobody", "", closedPort(t), http.StatusInternalServerError, "refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := probing(t, fmt.Sprintf(`{"/app-health/web/readyz":{"grpc":{"port":%d%s},"timeoutSeconds":10}}`, tt.port, tt.service))
			code, body := get(t, server, "/app-health/web/readyz", "")
			assert.Equal(t, code, tt.code)
			if !strings.Contains(body, tt.body) {
				t.Errorf("the answer %q does not say %q", body, tt.body)
			}
		})
	}
}

// TestProbeOfASilentApplication ends by the probe's own timeout.
func TestProbeOfASilentApplication(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	assert.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	for _, kind := range []string{`"httpGet":{"path":"/","port":%d}`, `"grpc":{"port":%d}`} {
		server := probing(t, fmt.Sprintf(`{"/app-health/web/readyz":{`+kind+`,"timeoutSeconds":1}}`, portOf(t, l.Addr())))
		ctx, cancel := context.WithCancel(context.Background())
		r := httptest.NewRequest(http.MethodGet, "/app-health/web/readyz", nil).WithContext(ctx)
		w := httptest.NewRecorder()
		server.Handler.ServeHTTP(w, r)
		assert.Equal(t, w.Code, http.StatusInternalServerError)
		cancel()
	}
}

func TestUnknownProbe(t *testing.T) {
	for _, path := range []string{"/app-health/web/readyz", "/app-health/", "/app-lifecycle/web/prestopz"} {
		code, _ := get(t, probing(t, ""), path, "")
		assert.Equal(t, code, http.StatusBadRequest)
	}
}

func TestMistakesOfProbersAreNamed(t *testing.T) {
	for _, tt := range []struct{ name, probers, want string }{
		{"no JSON", `{`, "unexpected end"},
		{"null", `{"/app-health/web/readyz":null}`, "null"},
		{"path", `{"/other":{"tcpSocket":{"port":1}}}`, `"/other"`},
		{"no kind", `{"/app-health/web/readyz":{}}`, "exactly one"},
		{"two kinds", `{"/app-health/web/readyz":{"tcpSocket":{"port":1},"grpc":{"port":1}}}`, "exactly one"},
		{"a name", `{"/app-health/web/readyz":{"tcpSocket":{"port":"http"}}}`, `"http"`},
		{"port", `{"/app-health/web/readyz":{"grpc":{"port":70000}}}`, "70000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Stats(&standinSource{}, StatsOptions{AppProbers: tt.probers})
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "ISTIO_KUBE_APP_PROBERS") {
				t.Errorf("error %v does not name ISTIO_KUBE_APP_PROBERS and %s", err, tt.want)
			}
		})
	}
}
