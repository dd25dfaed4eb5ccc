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

import (
	"slices"
	"strconv"
	"strings"
)

// The failures after which MeshRetry tries again: Envoy's conditions of the same names.
const (
	// RetryConnectFailure and RetryResetBeforeRequest are tries without a connection.
	RetryConnectFailure     = "connect-failure"
	RetryResetBeforeRequest = "reset-before-request"
	// RetryReset is a try without a response, timeouts included.
	RetryReset = "reset"
	// RetryGatewayError adds the statuses 502, 503 and 504, and Retry5xx all from 500 to 599.
	RetryGatewayError = "gateway-error"
	Retry5xx          = "5xx"
)

// The least and the most status that MeshRetry can repeat: nginx lets no others come back.
const (
	LeastRetryStatus = 300
	MostRetryStatus  = 599
)

// MeshRetry is the plugin mesh-retry: total timeout and retries of a route. A route with it must have no Timeout.
type MeshRetry struct {
	// SetAttempts says that Attempts, and not the upstream's Retries, is the number of further tries.
	SetAttempts bool
	Attempts    int
	// On are conditions, sorted; RetryConnectFailure when nil.
	On []string
	// Statuses are repeated beside those of the conditions. They are sorted, and within LeastRetryStatus and MostRetryStatus.
	Statuses []int
	// Backoff is what the time before the first further try is at most, in seconds; 25 ms when zero.
	Backoff float64
	// PerTryTimeout and Timeout, which is that of all tries and the response, are in seconds; zero for none.
	PerTryTimeout, Timeout float64
	// PreviousHosts lets further tries go to endpoints that were tried.
	PreviousHosts bool
	// RemoteLocalities lets further tries rather go to other priorities, where the upstream has a MeshBalancer.
	RemoteLocalities bool
}

// PluginName implements Plugin.
func (*MeshRetry) PluginName() string { return "mesh-retry" }

// AppendJSON implements Plugin.
func (r *MeshRetry) AppendJSON(b []byte) []byte {
	o := beginObject(b)
	if r.SetAttempts {
		o.int("attempts", r.Attempts)
	}
	if r.Backoff > 0 {
		o.number("backoff", r.Backoff)
	}
	if r.On != nil {
		// An empty list is not the default.
		o.key("on")
		o.b = AppendStrings(o.b, r.On)
	}
	if r.PerTryTimeout > 0 {
		o.number("per_try_timeout", r.PerTryTimeout)
	}
	o.bool("previous_hosts", r.PreviousHosts)
	o.bool("remote_localities", r.RemoteLocalities)
	if len(r.Statuses) > 0 {
		o.key("statuses")
		o.b = append(o.b, '[')
		for i, status := range r.Statuses {
			if i > 0 {
				o.b = append(o.b, ',')
			}
			o.b = strconv.AppendInt(o.b, int64(status), 10)
		}
		o.b = append(o.b, ']')
	}
	if r.Timeout > 0 {
		o.number("timeout", r.Timeout)
	}
	return o.end()
}

// The names of classes without statuses of their own.
const (
	RetryClassReset        = "reset"
	RetryClassGatewayError = "gateway_error"
	RetryClass5xx          = "5xx"
)

// RetryClass names what responses these conditions and statuses repeat, as nginx's configuration does: it decides per location
// which responses do not pass.
func RetryClass(on []string, statuses []int) string {
	var parts []string
	switch {
	case slices.Contains(on, Retry5xx):
		parts = append(parts, RetryClass5xx)
	case slices.Contains(on, RetryGatewayError):
		parts = append(parts, RetryClassGatewayError)
	}
	for _, status := range statuses {
		parts = append(parts, strconv.Itoa(status))
	}
	if len(parts) == 0 {
		return RetryClassReset
	}
	return strings.Join(parts, "_")
}

// RetryClassStatuses are the statuses that a class repeats, in ascending order. False is for what names no class.
func RetryClassStatuses(class string) ([]int, bool) {
	if class == RetryClassReset {
		return nil, true
	}
	var out []int
	rest := class
	if after, ok := strings.CutPrefix(rest, RetryClass5xx); ok {
		for status := 500; status <= 599; status++ {
			out = append(out, status)
		}
		rest = strings.TrimPrefix(after, "_")
	} else if after, ok := strings.CutPrefix(rest, RetryClassGatewayError); ok {
		out = append(out, 502, 503, 504)
		rest = strings.TrimPrefix(after, "_")
	}
	for part := range strings.SplitSeq(rest, "_") {
		if part == "" {
			continue
		}
		status, err := strconv.Atoi(part)
		if err != nil || status < LeastRetryStatus || status > MostRetryStatus || status == 499 {
			return nil, false
		}
		out = append(out, status)
	}
	slices.Sort(out)
	out = slices.Compact(out)
	return out, len(out) > 0
}
