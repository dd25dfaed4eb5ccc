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
	"fmt"
	"net/http"

	dnsproto "istio.io/istio/pkg/dns/proto"
	netutil "istio.io/istio/pkg/util/net"
	"istio.io/istio/pkg/util/protomarshal"
)

// StatsOptions is what the status port does beside readiness.
type StatsOptions struct {
	// Port is the status port's own, which must not be scraped.
	Port int
	// PodIP is where the application listens: INSTANCE_IP.
	PodIP string
	// AppProbers are the pod's probes as injection left them: ISTIO_KUBE_APP_PROBERS.
	AppProbers string
	// Prometheus are the pod's annotations for Prometheus: ISTIO_PROMETHEUS_ANNOTATIONS. Empty leaves the application's
	// metrics out.
	Prometheus string
	// ProxyMetrics is the host:port of APISIX's export server at the moment. Empty, or a nil func, leaves the proxy's metrics out.
	ProxyMetrics func() string

	// NameTable is the DNS proxy's, nil when there is none. The func itself may be nil.
	NameTable func() *dnsproto.NameTable

	// Quit ends the agent as SIGTERM does, and the proxy without draining it. Drain begins to drain the proxy. Both return at once.
	Quit, Drain func()
}

// Stats is the server for the kubelet's probes of the application, for Prometheus, and for what runs beside the sidecar
// in the pod. An error names the variable that has a mistake.
func Stats(source Source, o StatsOptions) (*http.Server, error) {
	s := &server{source: source}
	probes, err := newAppProbes(o.AppProbers, o.PodIP, o.Port)
	if err != nil {
		return nil, err
	}
	app, err := appTargets(o.Prometheus, o.Port)
	if err != nil {
		return nil, err
	}
	agent, err := exporter()
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	scrape := newMerged(agent, o.ProxyMetrics, app)

	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz/ready", s.ready)
	mux.Handle("GET /stats/prometheus", scrape)
	mux.Handle("GET /metrics", scrape)
	mux.Handle("/app-health/", probes)
	mux.Handle("/app-lifecycle/", probes)
	mux.HandleFunc("POST /quitquitquit", fromPod(o.Quit))
	mux.HandleFunc("POST /drain", fromPod(o.Drain))
	mux.HandleFunc("GET /debug/ndsz", func(w http.ResponseWriter, r *http.Request) {
		if localhostOnly(w, r) {
			nameTable(w, o.NameTable)
		}
	})
	return newServer(mux), nil
}

// nameTable is what istioctl shows of the DNS proxy.
func nameTable(w http.ResponseWriter, get func() *dnsproto.NameTable) {
	w.Header().Set("Content-Type", "application/json")
	var table *dnsproto.NameTable
	if get != nil {
		table = get()
	}
	if table == nil {
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte("{}"))
		return
	}
	b, err := protomarshal.Marshal(table)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(b)
}

// fromPod calls do when somebody inside of the pod asks for it.
func fromPod(do func()) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !localhostOnly(w, r) {
			return
		}
		log.Infof("%s was asked for", r.URL.Path)
		_, _ = w.Write([]byte("OK"))
		do()
	}
}

// localhostOnly refuses a request from outside of the pod, in upstream's words.
func localhostOnly(w http.ResponseWriter, r *http.Request) bool {
	if netutil.IsRequestFromLocalhost(r) {
		return true
	}
	http.Error(w, "Only requests from localhost are allowed", http.StatusForbidden)
	return false
}
