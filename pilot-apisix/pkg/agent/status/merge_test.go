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
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"istio.io/istio/pkg/test/util/assert"
)

// standinMetrics serves metrics at path, and tells the Accept header that it was asked with.
func standinMetrics(t *testing.T, path, contentType, body string) (address string, accept func() string) {
	t.Helper()
	var mu sync.Mutex
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path {
			http.NotFound(w, r)
			return
		}
		mu.Lock()
		seen = append(seen, r.Header.Get("Accept"))
		mu.Unlock()
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(seen, "\n")
	}
}

func scraped(t *testing.T, o StatsOptions, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	server, err := Stats(&standinSource{}, o)
	assert.NoError(t, err)
	r := httptest.NewRequest(http.MethodGet, "/stats/prometheus", nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	server.Handler.ServeHTTP(w, r)
	return w
}

func annotations(address, path string) string {
	_, port, _ := strings.Cut(address, ":")
	return `{"scrape":"true","port":"` + port + `","path":"` + path + `"}`
}

const prometheusAccept = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4," +
	"text/plain;version=0.0.4;q=0.3,*/*;q=0.2"

func TestMergedMetrics(t *testing.T) {
	proxy, proxyAccept := standinMetrics(t, "/apisix/prometheus/metrics", "text/plain", "apisix_up 1")
	app, appAccept := standinMetrics(t, "/own", "application/openmetrics-text; version=1.0.0; charset=utf-8", "app_up 1\n# EOF\n")
	w := scraped(t, StatsOptions{ProxyMetrics: func() string { return proxy }, Prometheus: annotations(app, "/own")}, "Accept", prometheusAccept)
	assert.Equal(t, w.Code, http.StatusOK)
	assert.Equal(t, w.Header().Get("Content-Type"), "application/openmetrics-text; version=1.0.0; charset=utf-8")
	body := w.Body.String()
	if !strings.Contains(body, "istio_agent_go_goroutines ") || !strings.HasSuffix(body, "\napisix_up 1\napp_up 1\n# EOF\n") {
		t.Errorf("the agent's, the proxy's and the application's metrics are not one after the other: %s", body)
	}
	// Two expositions of protobuf cannot be put one after the other, and the proxy's is not the last.
	if a := proxyAccept(); strings.Contains(a, "openmetrics") || !strings.Contains(a, "text/plain") {
		t.Errorf("the proxy was asked for %q", a)
	}
	if a := appAccept(); !strings.Contains(a, "openmetrics") || !strings.Contains(a, "text/plain") {
		t.Errorf("the application was asked for %q", a)
	}
}

func TestSeveralTargets(t *testing.T) {
	text := "text/plain; version=0.0.4"
	open := "application/openmetrics-text; version=0.0.1"
	for _, tt := range []struct {
		name         string
		types        [2]string
		format, ends string
	}{
		{"text", [2]string{text, text}, "text/plain; version=0.0.4; charset=utf-8", "\na 1\nb 2\n"},
		{"OpenMetrics", [2]string{open, open}, "application/openmetrics-text; version=0.0.1; charset=utf-8", "\na 1\nb 2\n# EOF\n"},
		{"both", [2]string{text, open}, "text/plain; version=0.0.4; charset=utf-8", "\na 1\nb 2\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, _ := standinMetrics(t, "/metrics", tt.types[0], "a 1\n# EOF")
			b, _ := standinMetrics(t, "/b", tt.types[1], "b 2\n# EOF\n")
			_, portA, _ := strings.Cut(a, ":")
			_, portB, _ := strings.Cut(b, ":")
			w := scraped(t, StatsOptions{Prometheus: `{"targets":[{"port":"` + portA + `"},{"port":"` + portB + `","path":"/b"}]}`})
			assert.Equal(t, w.Header().Get("Content-Type"), tt.format)
			if !strings.HasSuffix(w.Body.String(), tt.ends) {
				t.Errorf("the answer does not end with %q: %s", tt.ends, w.Body.String())
			}
		})
	}
}

// TestFailedScrapes leave the others alone, and are counted.
func TestFailedScrapes(t *testing.T) {
	nobody := "127.0.0.1:" + strconv.Itoa(closedPort(t))
	app, _ := standinMetrics(t, "/metrics", "text/plain", "app_up 1\n")
	w := scraped(t, StatsOptions{ProxyMetrics: func() string { return nobody }, Prometheus: annotations(app, "")})
	assert.Equal(t, w.Code, http.StatusOK)
	if !strings.HasSuffix(w.Body.String(), "\napp_up 1\n") {
		t.Errorf("no metrics of the application: %s", w.Body.String())
	}
	w = scraped(t, StatsOptions{Prometheus: annotations(app, "/none")})
	assert.Equal(t, w.Code, http.StatusOK)
	assert.Equal(t, w.Header().Get("Content-Type"), "text/plain; version=0.0.4; charset=utf-8")
	body := scraped(t, StatsOptions{}).Body.String()
	for _, want := range []string{`istio_agent_scrape_failures_total{type="envoy"} `, `istio_agent_scrape_failures_total{type="application"} `, "istio_agent_scrapes_total "} {
		if !strings.Contains(body, want) {
			t.Errorf("no metric %s", want)
		}
	}
}

func TestCompressedMetrics(t *testing.T) {
	w := scraped(t, StatsOptions{}, "Accept-Encoding", "gzip")
	assert.Equal(t, w.Header().Get("Content-Encoding"), "gzip")
	z, err := gzip.NewReader(w.Body)
	assert.NoError(t, err)
	b, err := io.ReadAll(z)
	assert.NoError(t, err)
	if !bytes.Contains(b, []byte("istio_agent_go_goroutines ")) {
		t.Errorf("no metrics: %s", b)
	}
}

// TestAnnotationsThatAreOff leave the application out.
func TestAnnotationsThatAreOff(t *testing.T) {
	targets, err := appTargets(`{"scrape":"false","port":"15020"}`, 15020)
	assert.NoError(t, err)
	assert.Equal(t, len(targets), 0)
	targets, err = appTargets(`{"scrape":"true"}`, 15020)
	assert.NoError(t, err)
	assert.Equal(t, len(targets), 1)
	assert.Equal(t, targets[0].url, "http://localhost:80/metrics")
}

func TestMistakesOfAnnotationsAreNamed(t *testing.T) {
	for _, tt := range []struct{ name, annotations, want string }{
		{"no JSON", `{`, "unexpected end"},
		{"port", `{"port":"http"}`, `"http"`},
		{"the status port", `{"port":"25020"}`, "injected twice"},
		{"the status port, with a zero", `{"targets":[{"port":"025020"}]}`, "injected twice"},
		{"a port of the sidecar's", `{"port":"15006"}`, "inbound traffic capture"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Stats(&standinSource{}, StatsOptions{Port: 25020, Prometheus: tt.annotations})
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "ISTIO_PROMETHEUS_ANNOTATIONS") {
				t.Errorf("error %v does not name ISTIO_PROMETHEUS_ANNOTATIONS and %s", err, tt.want)
			}
		})
	}
}

func TestAcceptable(t *testing.T) {
	for _, tt := range []struct {
		accept      string
		openMetrics bool
		want        string
	}{
		{"", true, plainText},
		{"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited", true, plainText},
		{"*/*;q=0.1", false, "text/plain; q=0.1; version=0.0.4"},
		{"application/*", true, "application/openmetrics-text; version=0.0.1"},
		{"application/*", false, plainText},
		{"text/*, ;;;", false, "text/*"},
	} {
		assert.Equal(t, acceptable(tt.accept, tt.openMetrics), tt.want, tt.accept)
	}
}

func TestCopyLines(t *testing.T) {
	long := strings.Repeat("x", 10000)
	for in, want := range map[string]string{
		"": "", "a": "a\n", "a\r\nb\n": "a\nb\n", "# EOF": "", "# EOF \n": "# EOF \n", "a # EOF\n": "a # EOF\n",
		long + "# EOF\nb": long + "# EOF\nb\n",
	} {
		var out bytes.Buffer
		assert.NoError(t, copyLines(&out, strings.NewReader(in)))
		assert.Equal(t, out.String(), want)
	}
	// The marker is the rest of a line that does not fit into the buffer.
	whole := strings.Repeat("x", 4096) + "# EOF\n"
	var out bytes.Buffer
	assert.NoError(t, copyLines(&out, strings.NewReader(whole)))
	assert.Equal(t, out.String(), whole)
}

func TestTimeoutOfScrape(t *testing.T) {
	for _, bad := range []string{"", "x", "-1", "0", "NaN", "Inf", "1e300"} {
		assert.Equal(t, timeoutOfScrape(bad), scrapeTimeout, bad)
	}
	assert.Equal(t, timeoutOfScrape("1.5").Milliseconds(), int64(1500))
}

// TestFromPodOnly ends and drains for whoever is in the pod.
func TestFromPodOnly(t *testing.T) {
	var done []string
	server, err := Stats(&standinSource{}, StatsOptions{
		Quit:  func() { done = append(done, "quit") },
		Drain: func() { done = append(done, "drain") },
	})
	assert.NoError(t, err)
	for _, tt := range []struct {
		method, path, from string
		code               int
	}{
		{http.MethodPost, "/quitquitquit", "10.0.0.1:1", http.StatusForbidden},
		{http.MethodPost, "/drain", "10.0.0.1:1", http.StatusForbidden},
		{http.MethodGet, "/debug/ndsz", "10.0.0.1:1", http.StatusForbidden},
		{http.MethodGet, "/debug/ndsz", "127.0.0.1:1", http.StatusNotFound},
		{http.MethodGet, "/quitquitquit", "127.0.0.1:1", http.StatusMethodNotAllowed},
		{http.MethodGet, "/drain", "127.0.0.1:1", http.StatusMethodNotAllowed},
		{http.MethodPost, "/drain", "127.0.0.1:1", http.StatusOK},
		{http.MethodPost, "/quitquitquit", "[::1]:1", http.StatusOK},
	} {
		r := httptest.NewRequest(tt.method, tt.path, nil)
		r.RemoteAddr = tt.from
		w := httptest.NewRecorder()
		server.Handler.ServeHTTP(w, r)
		assert.Equal(t, w.Code, tt.code)
	}
	assert.Equal(t, done, []string{"drain", "quit"})
}
