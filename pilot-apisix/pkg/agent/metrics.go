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

import "istio.io/istio/pkg/monitoring"

var (
	readyGauge = monitoring.NewDerivedGauge("apisix_ready",
		"1 when the proxy can take traffic.")
	resourcesGauge = monitoring.NewDerivedGauge("apisix_resources",
		"Resources that the agent holds.")
	revisionGauge = monitoring.NewDerivedGauge("apisix_gateway_revision",
		"Newest revision of the etcd gateway.")
	watchersGauge = monitoring.NewDerivedGauge("apisix_gateway_watchers",
		"Streams on which APISIX waits for changes.")
)

// measure connects the gauges to this agent.
func (a *Agent) measure() {
	readyGauge.ValueFrom(func() float64 {
		if a.Ready() != nil {
			return 0
		}
		return 1
	})
	resourcesGauge.ValueFrom(func() float64 { return float64(a.store.Len()) })
	revisionGauge.ValueFrom(func() float64 { return float64(a.store.Etcd().Revision()) })
	watchersGauge.ValueFrom(func() float64 { return float64(a.store.Etcd().Stats().Watchers) })
}
