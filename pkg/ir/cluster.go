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

package ir

import "time"

// Cluster is a set of endpoints that serve one port of one service, or a subset of them.
type Cluster struct {
	// Name is Istio's: "outbound|<port>|<subset>|<host>", "inbound|<port>||", "PassthroughCluster" or
	// "InboundPassthroughCluster".
	Name string
	// Inbound is set for the ports of the workload.
	Inbound bool
	// Host is that of outbound clusters but PassthroughCluster.
	Host, Subset string
	Port         int
	// HTTP2 says that the endpoints speak HTTP/2 without TLS, gRPC included.
	HTTP2 bool
	LB    LoadBalancer
	// Outliers are ejected; nil for none.
	Outliers *OutlierDetection
	// MinHealthPercent of the endpoints of a priority must be left for ejected ones to stay out; where fewer are, health is not
	// looked at.
	MinHealthPercent int
	Limits           Limits
	// DynamicDNS sends each request to the host that it names; there are no endpoints.
	DynamicDNS bool
	// DNSOne uses one address at a time of an endpoint that is a DNS name; otherwise it is as many endpoints as it has addresses.
	DNSOne bool
	// DNSRefresh is when a name is looked up again whose records have no time to live; zero for the default of a minute.
	DNSRefresh time.Duration
	// RetryBudget takes the place of Limits.Retries; nil for not.
	RetryBudget *RetryBudget
	// OriginalDst says that a request goes to where the client's connection was captured on its way; the endpoints are for
	// those that were not captured.
	OriginalDst bool
	// ConnectTimeout limits the establishing of a connection.
	ConnectTimeout time.Duration
	// IdleTimeout closes a connection that has no request for so long; zero for the default.
	IdleTimeout time.Duration
	// StreamIdleTimeout closes a connection that is not HTTP and on which nothing has moved for so long; zero for none.
	StreamIdleTimeout time.Duration
	// MaxRequestsPerConnection closes a connection after so many; zero for no limit.
	MaxRequestsPerConnection int
	// TLS secures the connections to the endpoints; nil for plain text.
	TLS *ClusterTLS
	// Endpoints in a stable order. A cluster without any refuses its requests with 503.
	Endpoints []Endpoint
	// Sources are the service and the destination rule.
	Sources     []Source
	Diagnostics []Diagnostic
}

// Endpoint is one address of a cluster.
type Endpoint struct {
	// Address is an IP address, or a DNS name for services that are resolved by the proxy.
	Address string
	Port    int
	// Path is that of a unix domain socket, in the place of Address and Port.
	Path   string
	Weight int
	// Peer is the DNS name in the certificate that the endpoint must show, where the mode of the cluster's TLS is IstioMutual.
	Peer string
	// PlainText says that the endpoint is not secured, though others of the cluster are.
	PlainText bool
	// Unhealthy endpoints get no requests, and are there to be counted.
	Unhealthy bool
	// Priority zero gets the requests as long as enough of its endpoints are healthy, then one etc.
	Priority int
	// Locality is "region/zone/subzone", and set where LoadBalancer.LocalityWeighted is. LocalityWeight is that of all the
	// endpoints of the locality and priority together.
	Locality       string
	LocalityWeight int
}

// RetryBudget lets so many requests be retried at a time.
type RetryBudget struct {
	// Percent of the requests of the cluster.
	Percent float64
	// Least is allowed however few requests there are.
	Least int
}

// LBPolicy is the way in which a cluster's endpoints share its requests.
type LBPolicy int

const (
	// LeastRequest prefers endpoints with fewer active requests. It is Istio's default.
	LeastRequest LBPolicy = iota
	// RoundRobin takes each in turn.
	RoundRobin
	// Random picks by chance.
	Random
	// ConsistentHash keeps equal keys on the same endpoint.
	ConsistentHash
)

// LoadBalancer is a policy, with the key of a consistent hash.
type LoadBalancer struct {
	Policy LBPolicy
	// Hash is set for ConsistentHash only; nil then means that there is no key, and any endpoint will do.
	Hash *HashKey
	// RingSize is how many points a hash ring has at least; zero where nobody says so.
	RingSize int
	// LocalityWeighted shares requests among localities before the policy chooses.
	LocalityWeighted bool
	// Warmup gives new endpoints less; nil for not.
	Warmup *Warmup
}

// Warmup lets the share of a new endpoint grow.
type Warmup struct {
	// Duration until it has its full share.
	Duration time.Duration
	// Aggression bends the line on which it grows; 1 is straight.
	Aggression float64
	// MinimumPercent of its share it has from the start.
	MinimumPercent float64
}

// OutlierDetection ejects endpoints that fail so often in a row. A threshold of zero ejects none.
type OutlierDetection struct {
	Consecutive5xxErrors     int
	ConsecutiveGatewayErrors int
	// ConsecutiveLocalOriginFailures is for failures without a response, where SplitLocalOrigin counts them apart.
	ConsecutiveLocalOriginFailures int
	SplitLocalOrigin               bool
	// Interval at which ejected endpoints may come back.
	Interval time.Duration
	// BaseEjectionTime is multiplied by the number of ejections.
	BaseEjectionTime   time.Duration
	MaxEjectionPercent int
}

// Limits are what a cluster has at most at a time; zero for no limit.
type Limits struct {
	// Connections, which for HTTP/1.1 are those that serve a request.
	Connections int
	// Pending requests wait for a connection.
	Pending  int
	Requests int
	Retries  int
}

// HashKey is what requests are told apart by.
type HashKey struct {
	On HashOn
	// Name is that of the header, cookie or query parameter.
	Name string
	// Cookie says that the cookie is made for clients without one; nil for not.
	Cookie *HashCookie
}

// HashCookie is a cookie that the proxy makes.
type HashCookie struct {
	// TTL in whole seconds; zero is as long as the client runs.
	TTL        time.Duration
	Path       string
	Attributes []CookieAttribute
}

// CookieAttribute is one more attribute of a cookie; Value may be empty.
type CookieAttribute struct{ Name, Value string }

// HashOn is where the key of a consistent hash comes from.
type HashOn int

const (
	// HashHeader is the request header HashKey.Name.
	HashHeader HashOn = iota
	// HashOnCookie is the cookie HashKey.Name.
	HashOnCookie
	// HashSourceIP is the client's address.
	HashSourceIP
	// HashQueryParam is the query parameter HashKey.Name.
	HashQueryParam
)
