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
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"istio.io/istio/pkg/monitoring"
)

// metricPrefix is that of the metrics of Istio's agent, which the dashboards know.
const metricPrefix = "istio_agent_"

// exporter is one for the process, as Istio's meter provider is.
var exporter = sync.OnceValues(func() (registered, error) {
	registry := prometheus.NewRegistry()
	prefixed := prometheus.WrapRegistererWithPrefix(metricPrefix, registry)
	prefixed.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	prefixed.MustRegister(collectors.NewGoCollector())
	handler, err := monitoring.RegisterPrometheusExporter(prefixed, registry)
	return registered{registry, handler}, err
})

// registered are the process's metrics.
type registered struct {
	prometheus.Gatherer
	http.Handler
}

// metrics answers with the process's metrics.
func metrics() http.Handler {
	exported, err := exporter()
	if err != nil {
		log.Errorf("no metrics: %v", err)
		return http.NotFoundHandler()
	}
	return exported.Handler
}
