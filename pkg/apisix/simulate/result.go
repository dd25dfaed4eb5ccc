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

package simulate

import (
	"fmt"
	"net/http"
	"net/netip"
	"time"
)

// Result is what becomes of a request.
type Result struct {
	// Route is the id of the route that took the request; empty when none did.
	Route string
	// Why has the reasons, in the order in which APISIX looks: which routes were candidates, and the first condition of each
	// that did not hold.
	Why []string
	// Response is the answer that APISIX gives by itself; nil when the request is forwarded, at least to some of Destinations.
	// Faults of less than all requests are apart from it.
	Response *Response
	// Faults strike in this order, each by its own chance.
	Faults []Fault
	// Destinations share the requests that are forwarded. There are none when APISIX answers, unless it does so because it
	// can reach none of them.
	Destinations []Destination
	// Mirrors get a copy of what is forwarded.
	Mirrors []Mirror
	// Retry is how a request is tried again, beyond the destination's Retries and Timeout; nil when nothing says so.
	Retry *Retry
	// Websocket says that the request may upgrade its connection.
	Websocket bool
	// NotSimulated lists what would have had a part in this and was not played: "plugin x", "variable y".
	NotSimulated []string
}

// Response is an answer of APISIX itself.
type Response struct {
	Status int
	// Header has what APISIX and the plugins set, not what nginx adds to every response.
	Header http.Header
	// Body is empty too where nginx writes its own page for the status.
	Body string
}

// Fault is injected into a share of the requests.
type Fault struct {
	// Plugin that injects it.
	Plugin string
	// Percent of the requests: above 0, up to 100.
	Percent float64
	// Delay before the request goes on; zero for an abort.
	Delay time.Duration
	// Abort is the answer; nil for a delay.
	Abort *Response
}

// Destination is an upstream that gets a share of the requests.
type Destination struct {
	// UpstreamID is empty for an upstream that is written into the route itself.
	UpstreamID string
	// OriginalDst, when it is valid, is where the request goes in the place of the upstream.
	OriginalDst netip.AddrPort
	// Weight is relative to that of the others.
	Weight int
	// Status is the answer of APISIX when it does not forward: 503 for an upstream without nodes, 502 for one that does not
	// exist, or what the destination says; 0 otherwise.
	Status int
	// Request is what the destination gets.
	Request Forwarded
	// ResponseChanges are made to the destination's response, in this order.
	ResponseChanges []HeaderChange
	// Timeout and Retries are the route's or the upstream's.
	Timeout Timeout
	Retries int
}

// Forwarded is a request as it leaves APISIX.
type Forwarded struct {
	Method string
	// Host is the Host header.
	Host string
	// Path is the target with the query.
	Path string
	// Changes are made by plugins to the headers that the client sent, in this order.
	Changes []HeaderChange
	// Header is the result of Changes, without what nginx itself sets (X-Real-IP, X-Forwarded-For, Connection).
	Header http.Header
}

// Action is what a HeaderChange does.
type Action string

// The actions of a HeaderChange.
const (
	// Set replaces all values.
	Set Action = "set"
	// Add keeps what is there.
	Add Action = "add"
	// Remove takes all values away.
	Remove Action = "remove"
)

// HeaderChange is one operation on a header.
type HeaderChange struct {
	Action      Action
	Name, Value string
}

// String is the change for people.
func (c HeaderChange) String() string {
	if c.Action == Remove {
		return string(Remove) + " " + c.Name
	}
	return string(c.Action) + " " + c.Name + ": " + c.Value
}

// Mirror gets a copy of a share of the requests.
type Mirror struct {
	UpstreamID string
	// Percent of the requests: above 0, up to 100.
	Percent float64
	// Host and Path of the copy. Where the destinations have several, they are those of the first that can be reached.
	Host, Path string
}

// Retry is the policy of mesh-retry.
type Retry struct {
	// Attempts are further tries; -1 leaves them to the upstream.
	Attempts int
	// PerTryTimeout and Timeout are for one try and for all of them; 0 is none.
	PerTryTimeout, Timeout time.Duration
	// Backoff is what the time before the first further try is at most; 0 is the plugin's own.
	Backoff time.Duration
	// On and Statuses say what is tried again, in the words of the plugin.
	On       []string
	Statuses []int
	// PreviousHosts lets further tries go to endpoints that were tried.
	PreviousHosts bool
	// RemoteLocalities lets further tries rather go to other priorities.
	RemoteLocalities bool
}

// reasons collects Result.Why.
type reasons struct {
	lines []string
}

func (w *reasons) add(format string, args ...any) {
	w.lines = append(w.lines, fmt.Sprintf(format, args...))
}
