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

// The failures after which MeshRetry tries again, each with all of those before it.
const (
	// RetryConnectFailure is a connection that could not be made, or broke before a request that may be repeated was answered.
	RetryConnectFailure = "connect-failure"
	// RetryReset is a try without an answer, timeouts included, whatever the method.
	RetryReset = "reset"
	// RetryGatewayError adds the statuses 502, 503 and 504.
	RetryGatewayError = "gateway-error"
	// Retry5xx adds the status 500.
	Retry5xx = "5xx"
)

// MeshRetry is the plugin mesh-retry: total timeout and retries of a route. A route with it must have no Timeout.
type MeshRetry struct {
	// SetAttempts says that Attempts, and not the upstream's Retries, is the number of further tries.
	SetAttempts bool
	Attempts    int
	// Class is RetryConnectFailure when empty.
	Class string
	// PerTryTimeout and Timeout, which is that of all tries and the response, are in seconds; zero for none.
	PerTryTimeout, Timeout float64
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
	o.string("class", r.Class)
	if r.PerTryTimeout > 0 {
		o.number("per_try_timeout", r.PerTryTimeout)
	}
	o.bool("remote_localities", r.RemoteLocalities)
	if r.Timeout > 0 {
		o.number("timeout", r.Timeout)
	}
	return o.end()
}
