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
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
)

// aspect is one side of what a proxy does with a call, compared by itself.
type aspect string

// The aspects. What is not there is the empty string.
const (
	// outcome is "forward", "tcp", "closed", or "answer" with a status.
	outcome aspect = "outcome"
	// body and location are those of the proxy's own answer, answerHeaders the headers that the configuration adds to it.
	body          aspect = "body"
	location      aspect = "location"
	answerHeaders aspect = "headers of the answer"
	// fault is what strikes before, with its chances.
	fault aspect = "fault"
	// The rest is that of a forwarded request: each value with the share of the requests that have it.
	destinations    aspect = "destinations"
	endpoints       aspect = "endpoints"
	policy          aspect = "policy of the cluster"
	path            aspect = "path"
	authority       aspect = "authority"
	requestHeaders  aspect = "request headers"
	responseHeaders aspect = "response headers"
	timeout         aspect = "timeout"
	retries         aspect = "retries"
	mirrors         aspect = "mirrors"
)

var aspects = append([]aspect{outcome, body, location, answerHeaders, fault, destinations, endpoints, policy}, perDestination...)

// perDestination are the aspects that each destination has its own value of.
var perDestination = []aspect{path, authority, requestHeaders, responseHeaders, timeout, retries, mirrors}

// answer is what a proxy does with a call.
type answer struct {
	aspects map[aspect]string
	// share are the destinations of a forwarded request.
	share []share
	// objects are those that decided: "VirtualService namespace/name".
	objects []string
	// where says which route it was, for people.
	where string
}

func newAnswer(result string) *answer { return &answer{aspects: map[aspect]string{outcome: result}} }

const (
	forward = "forward"
	// tcp is a connection that is passed on as it is.
	tcp    = "tcp"
	closed = "closed"
	// refused is a configuration that Envoy does not take.
	refused = "refused by Envoy"
)

func answered(status int) string { return "answer " + strconv.Itoa(status) }

func grpcAnswered(code, text string) string {
	return answered(200) + ", grpc-status " + code + ", grpc-message " + strconv.Quote(text)
}

func (a *answer) set(k aspect, v string) {
	if v != "" {
		a.aspects[k] = v
	}
}

// differences are the aspects in which two answers are not the same. When the outcome or the destinations differ, nothing further is compared.
func differences(a, b *answer) []aspect {
	var out []aspect
	for _, k := range aspects {
		if a.aspects[k] != b.aspects[k] {
			out = append(out, k)
			if k == outcome || k == destinations {
				break
			}
		}
	}
	return out
}

// share is a destination of a forwarded request.
type share struct {
	cluster string
	weight  float64
	// endpoints are those of the cluster, as "address:port*weight"; a cluster without any answers 503.
	endpoints string
	// policy is how one of them is chosen and spoken to.
	policy string
	// played is false when nobody says what the destination would get, because it has no endpoints.
	played bool
	// missing is the status of the proxy's answer when there is no such cluster; zero for that of a cluster without endpoints.
	missing int
	values  map[aspect]string
	// mirrors are Envoy's.
	mirrors []*route.RouteAction_RequestMirrorPolicy
}

// unplayed are the clusters of which nobody says what they would get.
func (a *answer) unplayed() map[string]bool {
	out := map[string]bool{}
	for _, s := range a.share {
		if !s.played {
			out[s.cluster] = true
		}
	}
	return out
}

// gather makes the aspects of a forwarded request from its destinations, without what is special to those in skip.
func (a *answer) gather(skip map[string]bool) {
	if len(a.share) == 0 {
		return
	}
	gathered := map[aspect]*weighted{destinations: {}, endpoints: {}, policy: {}}
	for _, k := range perDestination {
		gathered[k] = &weighted{}
	}
	for _, s := range a.share {
		gathered[destinations].add(s.cluster, s.weight)
		gathered[endpoints].add(s.endpoints, s.weight)
		if !skip[s.cluster] && s.endpoints != "" && s.endpoints != originalDestination {
			gathered[policy].add(s.policy, s.weight)
		}
		for _, k := range perDestination {
			// At the original destination there is nobody else to try.
			if !skip[s.cluster] && !(k == retries && s.endpoints == originalDestination) {
				gathered[k].add(s.values[k], s.weight)
			}
		}
	}
	for k, w := range gathered {
		a.aspects[k] = w.String()
	}
}

// weighted collects values by the share of the requests that have them.
type weighted struct {
	total  float64
	values map[string]float64
}

func (s *weighted) add(v string, weight float64) {
	if s.values == nil {
		s.values = map[string]float64{}
	}
	s.values[v] += weight
	s.total += weight
}

func (s *weighted) String() string {
	var parts []string
	for _, v := range slices.Sorted(maps.Keys(s.values)) {
		if len(s.values) == 1 {
			return v
		}
		parts = append(parts, fmt.Sprintf("%.3f%% %s", 100*s.values[v]/s.total, v))
	}
	return strings.Join(parts, " | ")
}

// headerSet is the headers of a message by their names in lower case.
type headerSet map[string][]string

// uncompared are headers that proxies set by themselves, or that belong to the connection.
var uncompared = []string{"forwarded", "host", "connection", "te", "x-real-ip", "x-request-id", "content-length", "content-type", "location", "grpc-status", "grpc-message"}

func (h headerSet) String() string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if slices.Contains(uncompared, name) || strings.HasPrefix(name, "x-forwarded-") || strings.HasPrefix(name, "x-envoy-") || len(h[name]) == 0 {
			continue
		}
		lines = append(lines, name+": "+strings.Join(h[name], ","))
	}
	return strings.Join(lines, "; ")
}

// percent is a share as both sides write it.
func percent(p float64) string { return strconv.FormatFloat(p, 'f', 4, 64) + "%" }
