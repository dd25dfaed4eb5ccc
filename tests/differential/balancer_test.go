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

package differential

import (
	"encoding/json"
	"math"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// meshBalancer is what an upstream has in discovery_args.mesh.
type meshBalancer struct {
	Policy           string      `json:"policy"`
	MinHealthPercent int         `json:"min_health_percent"`
	Outlier          meshOutlier `json:"outlier_detection"`
	Warmup           meshWarmup  `json:"warmup"`
	Pool             meshPool    `json:"connection_pool"`
	Budget           meshBudget  `json:"retry_budget"`
	Ring             int         `json:"minimum_ring_size"`
	DNS              string      `json:"dns"`
}

type meshOutlier struct {
	Errors   int     `json:"consecutive_5xx_errors"`
	Gateway  int     `json:"consecutive_gateway_errors"`
	Local    int     `json:"consecutive_local_origin_failures"`
	Split    bool    `json:"split_external_local_origin_errors"`
	Interval float64 `json:"interval"`
	Base     float64 `json:"base_ejection_time"`
	Most     int     `json:"max_ejection_percent"`
}

type meshWarmup struct {
	Duration   float64 `json:"duration"`
	Aggression float64 `json:"aggression"`
	Minimum    float64 `json:"minimum_percent"`
}

type meshPool struct {
	Connections int `json:"max_connections"`
	Pending     int `json:"http1_max_pending_requests"`
	Requests    int `json:"http2_max_requests"`
	Retries     int `json:"max_retries"`
}

type meshBudget struct {
	Percent float64 `json:"percent"`
	Least   int     `json:"min_retry_concurrency"`
}

// text is empty where there is nothing but a policy.
func (m meshBalancer) text() string {
	m.Policy, m.DNS = "", ""
	if m == (meshBalancer{}) {
		return ""
	}
	b, err := json.Marshal(m)
	if err != nil {
		return err.Error()
	}
	return ", " + string(b)
}

// envoyBalancer says the same of Envoy's cluster.
func envoyBalancer(c *clusterv3.Cluster) string {
	var m meshBalancer
	if d := c.OutlierDetection; d != nil {
		m.Outlier = meshOutlier{
			Errors: or(d.Consecutive_5Xx, 5), Gateway: or(d.ConsecutiveGatewayFailure, 5), Split: d.SplitExternalLocalOriginErrors,
			Interval: secondsOr(d.Interval, 10), Base: secondsOr(d.BaseEjectionTime, 30), Most: or(d.MaxEjectionPercent, 10),
		}
		if or(d.EnforcingConsecutive_5Xx, 100) == 0 {
			m.Outlier.Errors = 0
		}
		if or(d.EnforcingConsecutiveGatewayFailure, 0) == 0 {
			m.Outlier.Gateway = 0
		}
		if m.Outlier.Split {
			m.Outlier.Local = or(d.ConsecutiveLocalOriginFailure, 5)
		}
		m.MinHealthPercent = int(c.GetCommonLbConfig().GetHealthyPanicThreshold().GetValue())
	}
	// That is Istio's default, with which the native hash remains.
	if size := c.GetRingHashLbConfig().GetMinimumRingSize().GetValue(); size != 1024 {
		m.Ring = int(size)
	}
	slow := c.GetRoundRobinLbConfig().GetSlowStartConfig()
	if slow == nil {
		slow = c.GetLeastRequestLbConfig().GetSlowStartConfig()
	}
	// Istio may leave it to a hash, which has none.
	if slow != nil && (c.LbPolicy == clusterv3.Cluster_ROUND_ROBIN || c.LbPolicy == clusterv3.Cluster_LEAST_REQUEST) {
		m.Warmup = meshWarmup{Duration: slow.SlowStartWindow.AsDuration().Seconds(), Aggression: 1, Minimum: 10}
		if a := slow.Aggression; a != nil {
			m.Warmup.Aggression = a.DefaultValue
		}
		if p := slow.MinWeightPercent; p != nil {
			m.Warmup.Minimum = p.Value
		}
	}
	for _, t := range c.GetCircuitBreakers().GetThresholds() {
		m.Pool = meshPool{limit(t.MaxConnections), limit(t.MaxPendingRequests), limit(t.MaxRequests), limit(t.MaxRetries)}
		if b := t.RetryBudget; b != nil {
			m.Budget = meshBudget{b.BudgetPercent.GetValue(), or(b.MinRetryConcurrency, 3)}
		}
	}
	return m.text()
}

func or(v *wrapperspb.UInt32Value, otherwise int) int {
	if v == nil {
		return otherwise
	}
	return int(v.Value)
}

// limit is zero for none.
func limit(v *wrapperspb.UInt32Value) int {
	if n := v.GetValue(); n != math.MaxUint32 {
		return int(n)
	}
	return 0
}

func secondsOr(d *durationpb.Duration, otherwise float64) float64 {
	if d == nil {
		return otherwise
	}
	return d.AsDuration().Round(time.Millisecond).Seconds()
}
