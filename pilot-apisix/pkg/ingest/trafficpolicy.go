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

package ingest

import (
	networking "istio.io/api/networking/v1alpha3"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// trafficPolicy applies the merged policy of a DestinationRule.
func (b *clusterBuilder) trafficPolicy(p *networking.TrafficPolicy, src ir.Source) {
	if p == nil {
		return
	}
	b.policy = p
	b.loadBalancer(p.LoadBalancer, src.At("loadBalancer"))
	b.connectionPool(p.ConnectionPool, src.At("connectionPool"))
	b.outlierDetection(p.OutlierDetection, src.At("outlierDetection"))
	if p.Tls != nil {
		b.tls = p.Tls
		b.clientTLS(p.Tls, src.At("tls"))
	}
	if p.RetryBudget != nil {
		b.diagnose(fidelity.RetryBudget, src.At("retryBudget"), "")
		b.cluster.RetryBudget = retryBudget(p.RetryBudget)
	}
	if p.ProxyProtocol != nil {
		b.diagnose(fidelity.ProxyProtocolRefused, src.At("proxyProtocol"), "")
	}
}

// retryBudget has Istio's defaults (applyRetryBudget).
func retryBudget(p *networking.TrafficPolicy_RetryBudget) *ir.RetryBudget {
	out := &ir.RetryBudget{Percent: 20, Least: 3}
	if p.Percent != nil {
		out.Percent = p.Percent.Value
	}
	if n := p.MinRetryConcurrency; n > 0 {
		out.Least = int(n)
	}
	return out
}
