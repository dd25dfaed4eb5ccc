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

import (
	"net/netip"
	"time"
)

// TCPRoute is what happens to connections that are not HTTP: one match of a filter chain of Envoy, whose server is known by
// the address, the port and the TLS server name that the client meant. Together they know all ports, those of HTTP included.
type TCPRoute struct {
	// Inbound says that it is for connections to the workload, otherwise for those from it.
	Inbound bool
	Match   TCPMatch
	// HTTP says what becomes of HTTP there. Of the routes of one address and port, the one for every server name says it.
	HTTP HTTPUse
	// Peers is what the clients of inbound connections speak.
	Peers PeerTLS
	// Authorization says who may make inbound connections; nil for anybody.
	Authorization *Authorization
	// DetectionTimeout is how long a client may say nothing before it counts as one that waits for the server, where the protocol has to be
	// detected; zero is for ever.
	DetectionTimeout time.Duration
	// Destinations share the connections by their weights, as those of a Route; with none, connections are closed. They have
	// nothing but a cluster and a weight.
	Destinations []Destination
	Source       Source
}

// HTTPUse is how a port treats HTTP.
type HTTPUse int

const (
	// NoHTTP takes every connection as it is, also one that speaks HTTP. Nothing waits for the client to speak first.
	NoHTTP HTTPUse = iota
	// DetectHTTP sends what begins like HTTP to the virtual hosts.
	DetectHTTP
	// OnlyHTTP sends everything to the virtual hosts.
	OnlyHTTP
)

// TCPMatch is compared as Envoy compares the match of a filter chain: the port first, then the address, then the server
// name, each time what is most specific; what was chosen is not left again for something less specific.
type TCPMatch struct {
	// Port that the client meant to reach; zero takes those that no other route has.
	Port int
	// Address that the client meant to reach; the zero Prefix takes every one.
	Address netip.Prefix
	// SNI is the server name of a TLS ClientHello, in lower case, exact or with a leading "*."; empty takes every
	// connection.
	SNI string
}
