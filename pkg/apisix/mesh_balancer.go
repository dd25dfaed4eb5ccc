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

package apisix

// The values of MeshBalancer.Policy.
const (
	MeshRandom         = "random"
	MeshRoundRobin     = "round_robin"
	MeshLeastRequest   = "least_request"
	MeshConsistentHash = "consistent_hash"
)

// The values of MeshBalancer.DNS.
const (
	// MeshDNSOne uses one address of each name at a time.
	MeshDNSOne = "one"
	// MeshDNSHost sends each request to the host that it names, and a connection to the server that its ClientHello names, at the
	// port of the only node, which is nothing more.
	MeshDNSHost = "host"
)

// MeshBalancer says how an upstream of the Type Mesh chooses among its nodes. The words are those of Istio's DestinationRule,
// times are in seconds, and what is zero is left out.
type MeshBalancer struct {
	// Policy is the load balancing algorithm.
	Policy string
	// LocalityWeighted shares the requests of a priority by NodeMetadata.LocalityWeight before Policy chooses.
	LocalityWeighted bool
	// MinHealthPercent of a priority's nodes must be left for ejected ones to stay out.
	MinHealthPercent int
	OutlierDetection *MeshOutlierDetection
	Warmup           *MeshWarmup
	ConnectionPool   MeshConnectionPool
	// RetryBudget takes the place of ConnectionPool.MaxRetries.
	RetryBudget *MeshRetryBudget
	// MinimumRingSize is the number of points of a hash ring.
	MinimumRingSize int
	// DNS is MeshDNSOne, MeshDNSHost, or empty for all addresses of each name.
	DNS string
	// DNSRefresh is when a name is looked up again whose records have no time to live, or that was not found.
	DNSRefresh float64
}

// MeshOutlierDetection ejects nodes after failures. A zero threshold ejects none.
type MeshOutlierDetection struct {
	Consecutive5xxErrors           int
	ConsecutiveGatewayErrors       int
	ConsecutiveLocalOriginFailures int
	SplitExternalLocalOriginErrors bool
	Interval                       float64
	BaseEjectionTime               float64
	// MaxEjectionPercent is always written.
	MaxEjectionPercent int
}

// MeshWarmup gives a new node less than its share.
type MeshWarmup struct {
	Duration, Aggression, MinimumPercent float64
}

// MeshConnectionPool limits what an upstream has at a time. Zero is no limit.
type MeshConnectionPool struct {
	MaxConnections          int
	HTTP1MaxPendingRequests int
	HTTP2MaxRequests        int
	MaxRetries              int
}

// MeshRetryBudget limits retries by the number of requests. Both fields are always written.
type MeshRetryBudget struct {
	Percent             float64
	MinRetryConcurrency int
}

// NodeMetadata says where a node stands in an upstream of the Type Mesh, and whom to expect there.
type NodeMetadata struct {
	// Priority is better the smaller it is.
	Priority int
	// Unhealthy nodes get nothing, and count as ill where a priority's health is looked at.
	Unhealthy bool
	// Locality has the nodes that share LocalityWeight.
	Locality       string
	LocalityWeight int
	// Peer is the DNS name that the node must prove (MeshTLS).
	Peer string
	// PlainText says that the node is not secured, though others are.
	PlainText bool
	// DNS is a name, the addresses of which are the nodes in the place of this one.
	DNS string
	// Unix is the path of a unix domain socket, which is the node in the place of this one.
	Unix string
}

// StandsIn says that the node is there for something that is no address.
func (n *Node) StandsIn() bool { return n.Metadata.DNS != "" || n.Metadata.Unix != "" }

func (m *MeshBalancer) appendJSON(b []byte) []byte {
	o := beginObject(b)
	if p := m.ConnectionPool; p != (MeshConnectionPool{}) {
		o.key("connection_pool")
		pool := beginObject(o.b)
		pool.positive("http1_max_pending_requests", p.HTTP1MaxPendingRequests)
		pool.positive("http2_max_requests", p.HTTP2MaxRequests)
		pool.positive("max_connections", p.MaxConnections)
		pool.positive("max_retries", p.MaxRetries)
		o.b = pool.end()
	}
	o.string("dns", m.DNS)
	if m.DNSRefresh > 0 {
		o.number("dns_refresh", m.DNSRefresh)
	}
	o.bool("locality_weighted", m.LocalityWeighted)
	o.positive("min_health_percent", m.MinHealthPercent)
	o.positive("minimum_ring_size", m.MinimumRingSize)
	if d := m.OutlierDetection; d != nil {
		o.key("outlier_detection")
		o.b = d.appendJSON(o.b)
	}
	o.string("policy", m.Policy)
	if r := m.RetryBudget; r != nil {
		o.key("retry_budget")
		budget := beginObject(o.b)
		budget.int("min_retry_concurrency", r.MinRetryConcurrency)
		budget.number("percent", r.Percent)
		o.b = budget.end()
	}
	if w := m.Warmup; w != nil {
		o.key("warmup")
		warmup := beginObject(o.b)
		warmup.number("aggression", w.Aggression)
		warmup.number("duration", w.Duration)
		warmup.number("minimum_percent", w.MinimumPercent)
		o.b = warmup.end()
	}
	return o.end()
}

func (d *MeshOutlierDetection) appendJSON(b []byte) []byte {
	o := beginObject(b)
	o.number("base_ejection_time", d.BaseEjectionTime)
	o.positive("consecutive_5xx_errors", d.Consecutive5xxErrors)
	o.positive("consecutive_gateway_errors", d.ConsecutiveGatewayErrors)
	o.positive("consecutive_local_origin_failures", d.ConsecutiveLocalOriginFailures)
	o.number("interval", d.Interval)
	o.int("max_ejection_percent", d.MaxEjectionPercent)
	o.bool("split_external_local_origin_errors", d.SplitExternalLocalOriginErrors)
	return o.end()
}

func (m NodeMetadata) appendJSON(b []byte) []byte {
	o := beginObject(b)
	o.string("dns", m.DNS)
	o.string("locality", m.Locality)
	o.positive("locality_weight", m.LocalityWeight)
	o.string("peer", m.Peer)
	o.bool("plain_text", m.PlainText)
	o.positive("priority", m.Priority)
	o.bool("unhealthy", m.Unhealthy)
	o.string("unix", m.Unix)
	return o.end()
}

// positive writes v unless it is zero.
func (o *object) positive(k string, v int) {
	if v > 0 {
		o.int(k, v)
	}
}
