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
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	upstreammetrics "istio.io/istio/pilot/cmd/pilot-agent/metrics"
	commonfeatures "istio.io/istio/pkg/features"
)

const (
	scrapeOfProxy = "proxy"
	scrapeOfApp   = "application"

	timeoutHeader = "X-Prometheus-Scrape-Timeout-Seconds"
	// scrapeTimeout is Prometheus's default, for who does not tell its own.
	scrapeTimeout = 10 * time.Second
	// idleTimeout keeps a connection from one scrape to the next.
	idleTimeout = 90 * time.Second
)

// merged answers with the agent's metrics, then those of the proxy and of the application, one after the other. What fails
// is missing, counted in istio_agent_scrape_failures_total and logged; the others are answered all the same.
type merged struct {
	agent prometheus.Gatherer
	// proxy is the address of the proxy's, which comes and goes.
	proxy  func() string
	app    []target
	client *http.Client
}

// newMerged never asks for compression: all targets are on loopback.
func newMerged(agent prometheus.Gatherer, proxy func() string, app []target) *merged {
	return &merged{agent: agent, proxy: proxy, app: app, client: &http.Client{Transport: &http.Transport{
		DisableCompression: true, MaxIdleConnsPerHost: 1, IdleConnTimeout: idleTimeout,
	}}}
}

func (m *merged) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if commonfeatures.MetricsLocalhostAccessOnly && !localhostOnly(w, r) {
		return
	}
	upstreammetrics.ScrapeTotals.Increment()
	ctx, cancel := context.WithTimeout(r.Context(), timeoutOfScrape(r.Header.Get(timeoutHeader)))
	defer cancel()
	proxy := proxyTarget(m.proxy)
	targets := slices.Concat(proxy, m.app)
	responses := m.ask(ctx, targets, r.Header) //nolint:bodyclose // All are closed next.
	defer func() {
		for _, response := range responses {
			if response != nil {
				_ = response.Body.Close()
			}
		}
	}()
	format := formatOf(responses[len(proxy):])
	w.Header().Set("Content-Type", string(format))
	out, done := compressed(w, r)
	defer done()
	buffered := bufio.NewWriter(out)
	// The connection has failed if this does, and nobody reads on.
	defer func() { _ = buffered.Flush() }()

	if err := m.writeAgent(buffered); err != nil {
		log.Errorf("metrics of the agent: %v", err)
		upstreammetrics.AgentScrapeErrors.Increment()
	}
	for i, response := range responses {
		if response == nil {
			continue
		}
		if err := copyLines(buffered, response.Body); err != nil {
			failedScrape(targets[i], err)
		}
	}
	if format.FormatType() == expfmt.TypeOpenMetrics {
		_, _ = expfmt.FinalizeOpenMetrics(buffered)
	}
}

// ask asks all targets at once. An answer is nil when there was none, or a bad one.
func (m *merged) ask(ctx context.Context, targets []target, header http.Header) []*http.Response {
	out := make([]*http.Response, len(targets))
	var wg sync.WaitGroup
	for i, t := range targets {
		wg.Go(func() {
			response, err := m.get(ctx, t, header) //nolint:bodyclose // Who called ask closes it.
			if err != nil {
				failedScrape(t, err)
				return
			}
			out[i] = response
		})
	}
	wg.Wait()
	return out
}

func (m *merged) get(ctx context.Context, t target, header http.Header) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url, nil)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"User-Agent", timeoutHeader} {
		if v := header.Get(name); v != "" {
			request.Header.Set(name, v)
		}
	}
	request.Header.Set("Accept", acceptable(header.Get("Accept"), t.of == scrapeOfApp))
	response, err := m.client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		_ = response.Body.Close()
		return nil, fmt.Errorf("status %d", response.StatusCode)
	}
	return response, nil
}

func failedScrape(t target, err error) {
	log.Errorf("metrics of the %s at %q: %v", t.of, t.url, err)
	if t.of == scrapeOfProxy {
		upstreammetrics.EnvoyScrapeErrors.Increment()
		return
	}
	upstreammetrics.AppScrapeErrors.Increment()
}

func (m *merged) writeAgent(w io.Writer) error {
	families, err := m.agent.Gather()
	encoder := expfmt.NewEncoder(w, textFormat)
	for _, f := range families {
		err = errors.Join(err, encoder.Encode(f))
	}
	return err
}

// endOfOpenMetrics ends an exposition, so it can only be the last line of all.
const endOfOpenMetrics = "# EOF"

// copyLines copies all lines but endOfOpenMetrics, and ends the last one.
func copyLines(w io.Writer, r io.Reader) error {
	lines := bufio.NewReader(r)
	for begins := true; ; {
		line, continued, err := lines.ReadLine()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !begins || continued || string(line) != endOfOpenMetrics {
			if _, err := w.Write(line); err != nil {
				return err
			}
			if !continued {
				if _, err := w.Write([]byte{'\n'}); err != nil {
					return err
				}
			}
		}
		begins = !continued
	}
}

// timeoutOfScrape is the seconds that Prometheus waits.
func timeoutOfScrape(header string) time.Duration {
	seconds, err := strconv.ParseFloat(header, 64)
	if err != nil || !(seconds > 0) || seconds > time.Hour.Seconds() {
		return scrapeTimeout
	}
	return time.Duration(seconds * float64(time.Second))
}

var zippers = sync.Pool{New: func() any {
	// The fastest level never fails to be made.
	w, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
	return w
}}

// compressed writes to w, compressed if the client takes it; done ends that.
func compressed(w http.ResponseWriter, r *http.Request) (out io.Writer, done func()) {
	if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		return w, func() {}
	}
	w.Header().Set("Content-Encoding", "gzip")
	z := zippers.Get().(*gzip.Writer)
	z.Reset(w)
	return z, func() {
		_ = z.Close()
		zippers.Put(z)
	}
}
