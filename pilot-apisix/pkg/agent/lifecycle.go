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

package agent

import (
	"net"

	dnsproto "istio.io/istio/pkg/dns/proto"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/status"
)

// statsOptions are those of the status port, where the pod may ask the agent to end or to drain.
func (a *Agent) statsOptions() status.StatsOptions {
	o := status.StatsOptions{
		PodIP:        a.cfg.InstanceIP,
		AppProbers:   a.cfg.AppProbers,
		Prometheus:   a.cfg.PrometheusAnnotations,
		ProxyMetrics: a.proxyMetrics,
		Quit:         a.quitNow,
		Drain:        a.drain,
	}
	if a.cfg.DNS != nil {
		o.NameTable = func() *dnsproto.NameTable { return a.dns.Table() }
	}
	if tcp, ok := a.stats.Addr().(*net.TCPAddr); ok {
		o.Port = tcp.Port
	}
	return o
}

// proxyMetrics is where APISIX serves its metrics; empty when it does not.
func (a *Agent) proxyMetrics() string {
	if a.apisix != nil {
		return a.apisix.metricsAddress()
	}
	return a.cfg.ProxyMetricsAddress
}

// quitNow is called on POST /quitquitquit: nobody waits for the proxy's clients to go.
func (a *Agent) quitNow() {
	if a.apisix != nil {
		a.apisix.drained.Store(true)
	}
	a.quit()
}

// drain is called on POST /drain, when the pod begins to end: clients are told to go, and the proxy serves on until it is told to end. That
// comes when the application has ended, and then there is nobody left to wait for.
func (a *Agent) drain() {
	log.Infof("the pod asks to drain the proxy")
	if a.apisix != nil {
		a.apisix.startDrain()
	}
}
