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
	"encoding/json"
	"fmt"
	"net"
	"strconv"

	upstream "istio.io/istio/pilot/cmd/pilot-agent/status"
)

// proxyMetricsPath is APISIX's default (plugin_attr.prometheus.export_uri).
const proxyMetricsPath = "/apisix/prometheus/metrics"

// target is where metrics are read.
type target struct {
	// of is scrapeOfProxy or scrapeOfApp.
	of, url string
}

// proxyTarget is APISIX's export server, if there is one.
func proxyTarget(address func() string) []target {
	if address == nil {
		return nil
	}
	if a := address(); a != "" {
		return []target{{scrapeOfProxy, "http://" + a + proxyMetricsPath}}
	}
	return nil
}

// appTargets reads the variable ISTIO_PROMETHEUS_ANNOTATIONS, which injection makes of the pod's annotations
// prometheus.io/{scrape,port,path} and prometheus.istio.io/scrape-targets; "" when the pod has none. A target that is a port
// of the sidecar's would be scraped in a circle.
func appTargets(text string, statusPort int) ([]target, error) {
	if text == "" {
		return nil, nil
	}
	variable := upstream.PrometheusScrapingConfig.Name
	var scrape upstream.PrometheusScrapeConfiguration
	if err := json.Unmarshal([]byte(text), &scrape); err != nil {
		return nil, fmt.Errorf("%s: %w; injection makes it of the pod's prometheus annotations", variable, err)
	}
	if scrape.Scrape == "false" {
		return nil, nil
	}
	if len(scrape.Targets) == 0 {
		port := scrape.Port
		if port == "" {
			port = "80"
		}
		scrape.Targets = []upstream.ScrapeTarget{{Port: port, Path: scrape.Path}}
	}
	var out []target
	for _, t := range scrape.Targets {
		port, err := strconv.Atoi(t.Port)
		if err != nil || port < 1 || port > 65535 {
			return nil, fmt.Errorf("%s: port %q is none: set the pod's annotation prometheus.io/port to the port of its metrics", variable, t.Port)
		}
		reason, reserved := upstream.IstioReservedPortReason(strconv.Itoa(port))
		if port == statusPort {
			reason, reserved = "pilot-agent status", true
		}
		if reserved {
			return nil, fmt.Errorf("%s: port %d is the sidecar's own (%s): set the pod's annotation prometheus.io/port to the application's port, "+
				"and look whether the pod was injected twice", variable, port, reason)
		}
		path := t.Path
		if path == "" {
			path = "/metrics"
		}
		out = append(out, target{scrapeOfApp, "http://" + net.JoinHostPort("localhost", strconv.Itoa(port)) + path})
	}
	return out, nil
}
