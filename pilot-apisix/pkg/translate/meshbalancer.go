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

package translate

import (
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// needsMesh says that a cluster asks for more than APISIX's own balancers have. All others stay with those.
func needsMesh(c *ir.Cluster) bool {
	if c.LB.Policy == ir.Random || c.LB.Warmup != nil || c.LB.LocalityWeighted || c.LB.RingSize > 0 || c.Outliers != nil || c.Limits != (ir.Limits{}) ||
		c.RetryBudget != nil || c.DynamicDNS {
		return true
	}
	for i := range c.Endpoints {
		if e := &c.Endpoints[i]; e.Priority != 0 || e.Unhealthy || e.PlainText || e.Path != "" || isName(e.Address) {
			return true
		}
	}
	return false
}

// meshBalancer makes u one of our own balancer. A consistent hash keeps its HashOn and Key, which mean the same there.
func meshBalancer(u *apisix.Upstream, c *ir.Cluster) {
	m := &apisix.MeshBalancer{
		LocalityWeighted: c.LB.LocalityWeighted,
		MinHealthPercent: c.MinHealthPercent,
		MinimumRingSize:  c.LB.RingSize,
		ConnectionPool: apisix.MeshConnectionPool{
			MaxConnections: c.Limits.Connections, HTTP1MaxPendingRequests: c.Limits.Pending,
			HTTP2MaxRequests: c.Limits.Requests, MaxRetries: c.Limits.Retries,
		},
	}
	switch c.LB.Policy {
	case ir.LeastRequest:
		m.Policy = apisix.MeshLeastRequest
	case ir.RoundRobin:
		m.Policy = apisix.MeshRoundRobin
	case ir.Random:
		m.Policy = apisix.MeshRandom
	case ir.ConsistentHash:
		m.Policy = apisix.MeshConsistentHash
	}
	if b := c.RetryBudget; b != nil {
		m.RetryBudget = &apisix.MeshRetryBudget{Percent: b.Percent, MinRetryConcurrency: b.Least}
	}
	if d := c.Outliers; d != nil {
		m.OutlierDetection = &apisix.MeshOutlierDetection{
			Consecutive5xxErrors:           d.Consecutive5xxErrors,
			ConsecutiveGatewayErrors:       d.ConsecutiveGatewayErrors,
			ConsecutiveLocalOriginFailures: d.ConsecutiveLocalOriginFailures,
			SplitExternalLocalOriginErrors: d.SplitLocalOrigin,
			Interval:                       seconds(d.Interval),
			BaseEjectionTime:               seconds(d.BaseEjectionTime),
			MaxEjectionPercent:             d.MaxEjectionPercent,
		}
	}
	if w := c.LB.Warmup; w != nil {
		m.Warmup = &apisix.MeshWarmup{Duration: seconds(w.Duration), Aggression: w.Aggression, MinimumPercent: w.MinimumPercent}
	}
	switch {
	case c.DynamicDNS:
		m.DNS = apisix.MeshDNSHost
	case c.DNSOne:
		m.DNS = apisix.MeshDNSOne
	}
	if c.DNSRefresh > 0 {
		m.DNSRefresh = seconds(c.DNSRefresh)
	}
	u.Type, u.Mesh = apisix.Mesh, m
	asked := c.DynamicDNS || m.OutlierDetection != nil || m.RetryBudget != nil || m.Warmup != nil || m.ConnectionPool != (apisix.MeshConnectionPool{})
	if len(u.Nodes) == 1 && (asked || u.Nodes[0].StandsIn()) {
		askForOne(u)
	}
}

// askForOne makes APISIX ask the balancer also for a single node, which it otherwise takes by itself: the node is there a second
// time, and has no weight.
func askForOne(u *apisix.Upstream) {
	twin := u.Nodes[0]
	twin.Weight = 0
	u.Nodes = append(u.Nodes, twin)
}

// metadata is where an endpoint stands.
func metadata(e *ir.Endpoint) apisix.NodeMetadata {
	return apisix.NodeMetadata{Priority: e.Priority, Locality: e.Locality, LocalityWeight: e.LocalityWeight, Unhealthy: e.Unhealthy}
}
