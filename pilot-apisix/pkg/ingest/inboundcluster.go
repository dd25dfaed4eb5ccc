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
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/pkg/networking/util"

	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// buildInboundCluster makes the cluster of a port of the workload (buildInboundCluster).
func buildInboundCluster(in Input, c *clusterInputs) *ir.Cluster {
	p := c.inbound
	b := clusterBuilder{in: in, inputs: c, cluster: &ir.Cluster{
		Name: c.name, Inbound: true, Port: p.port, HTTP2: p.protocol.IsHTTP2(), ConnectTimeout: connectTimeout(c.mesh), Sources: []ir.Source{p.source},
		// There is one endpoint only.
		LB: ir.LoadBalancer{Policy: ir.RoundRobin},
	}}
	if p.port != 0 && !p.protocol.IsHTTP() && !p.protocol.IsUnsupported() {
		b.cluster.StreamIdleTimeout = defaultStreamIdleTimeout
	}
	switch {
	case p.path != "":
		b.cluster.Endpoints = []ir.Endpoint{{Path: p.path, Weight: 1}}
	case p.host == "":
		b.cluster.OriginalDst = true
	default:
		b.cluster.Endpoints = []ir.Endpoint{{Address: p.host, Port: p.hostPort, Weight: 1}}
	}
	if p.port != 0 {
		b.inboundConnectionPool(p)
	}
	return b.cluster
}

// inboundConnectionPool limits the workload by the first of these that there is: its Sidecar, the DestinationRule of its service
// and the defaults of the mesh.
func (b *clusterBuilder) inboundConnectionPool(p *inboundPort) {
	scope := b.in.Proxy.SidecarScope
	if pool := scope.InboundConnectionPoolForPort(p.port); pool != nil {
		b.connectionPool(pool, ir.Source{Kind: "Sidecar", Namespace: scope.Namespace, Name: scope.Name}.At("spec.inboundConnectionPool"))
		return
	}
	if p.service != nil {
		rule := scope.DestinationRule(model.TrafficDirectionInbound, b.in.Proxy, p.service.Hostname)
		if policy := ruleSpec(rule).GetTrafficPolicy(); policy != nil {
			cfg := rule.GetRule()
			policy, _ = util.GetPortLevelTrafficPolicy(policy, p.servicePort)
			src := ir.Source{Kind: cfg.GroupVersionKind.Kind, Namespace: cfg.Namespace, Name: cfg.Name}.At("spec.trafficPolicy")
			if pool := policy.GetConnectionPool(); pool != nil {
				b.connectionPool(pool, src.At("connectionPool"))
				return
			}
		}
	}
	if pool := b.inputs.mesh.GetDefaultTrafficPolicy().GetConnectionPool(); pool != nil {
		b.connectionPool(pool, ir.Source{Kind: "MeshConfig", Name: "istio"}.At("defaultTrafficPolicy.connectionPool"))
	}
}
