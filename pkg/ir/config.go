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

// Config is what one view of proxies must do with the requests and connections from and to their workloads.
type Config struct {
	// VirtualHosts are sorted by direction (outbound first), port and name. A request belongs to the one of its port with the most specific
	// matching domain: an exact one before a wildcard, a longer wildcard before a shorter one.
	VirtualHosts []*VirtualHost
	// TCP are the routes of connections that are not HTTP, sorted by direction (outbound first), port, address and server
	// name, and distinct in them. A connection that none takes is closed.
	TCP []TCPRoute
	// Clusters are sorted by name; every destination of a route is among them.
	Clusters []*Cluster
	// CatchAll says what happens to requests which no virtual host takes; it has no match.
	CatchAll *Route
	// Gateway is nil for sidecars.
	Gateway *Gateway
	// Diagnostics are those of the configuration as a whole; virtual hosts and clusters have their own.
	Diagnostics []Diagnostic
	// Inputs is what the builder of the configuration compares to see whether it is still true. It means nothing to
	// anybody else.
	Inputs any
}

// VirtualHost is a set of domains on one service port, with routes of which the first match wins.
type VirtualHost struct {
	// Inbound says that it is for requests to the workload, otherwise for those from it.
	Inbound bool
	// Port is the port that the client meant to reach. An inbound zero takes those that no other virtual host has.
	Port int
	// Name is unique among the virtual hosts of a port, or of a TLS server there.
	Name string
	// ServerNames limits it to connections of TLS with these, terminated here; nil for all. Those of different servers have
	// nothing in common.
	ServerNames *ServerNames
	// Domains are lower case, exact or with a leading "*"; sorted. The single domain "*" takes every host.
	Domains []string
	// Routes in the order of their precedence. A request which none of them takes is answered with 404.
	Routes []Route
	// Peers is what the clients of an inbound one speak.
	Peers PeerTLS
	// Authorization says who may send requests to an inbound one; nil for anybody.
	Authorization *Authorization
	// Source is the VirtualService, or the service that has none.
	Source      Source
	Diagnostics []Diagnostic
}

// Route says what happens to the requests it matches. Exactly one of Destinations, Redirect and DirectResponse is set.
type Route struct {
	// Name is the one that the user gave, or "default".
	Name  string
	Match Match
	// Destinations share the requests by their weights. They are distinct and have weights above zero, except that a
	// single one takes everything whatever its weight.
	Destinations   []Destination
	Redirect       *Redirect
	DirectResponse *DirectResponse

	// What follows is done on the way to the destinations; Fault and the headers of the response also where the proxy
	// answers by itself.

	// Timeout of the whole response; zero for none.
	Timeout time.Duration
	// Retries are nil for the default policy of Istio: two more attempts when no connection could be made.
	Retries *Retries
	Fault   *Fault
	CORS    *CORS
	Rewrite *Rewrite
	Headers Headers
	Mirrors []Mirror
	Source  Source
}

// Destination is a share of a route's requests.
type Destination struct {
	// Cluster is the name of a member of Config.Clusters.
	Cluster string
	Weight  uint32
	// Status answers the requests of a destination that does not exist; zero for others.
	Status int
	// Authority replaces the host of the requests of this destination, unless the route's rewrite does.
	Authority string
	// Headers come before those of the route.
	Headers Headers
}

// Plain says that nothing but a share of the requests is special to the destination.
func (d *Destination) Plain() bool { return d.Status == 0 && d.Authority == "" && d.Headers.Empty() }

// Fault is what is done to a share of the requests to test their callers.
type Fault struct {
	Delay *FaultDelay
	Abort *FaultAbort
}

// FaultDelay holds a request back before it is forwarded.
type FaultDelay struct {
	Duration time.Duration
	// Percentage of the requests, 0 to 100 with fractions.
	Percentage float64
}

// FaultAbort answers a request in place of the destination, with an HTTP status or, when GRPC is set, a gRPC one.
type FaultAbort struct {
	Status int
	GRPC   bool
	// Percentage of the requests, 0 to 100 with fractions.
	Percentage float64
}
