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
	"encoding/json"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// retry is mesh-retry.
type retry struct {
	nothing
	Attempts *int     `json:"attempts"`
	Backoff  float64  `json:"backoff"`
	On       []string `json:"on"`
	PerTry   float64  `json:"per_try_timeout"`
	Previous bool     `json:"previous_hosts"`
	Remote   bool     `json:"remote_localities"`
	Statuses []int    `json:"statuses"`
	Timeout  float64  `json:"timeout"`
}

func parseRetry(raw json.RawMessage) (plugin, error) {
	r, err := decodeConf[retry](raw)
	if r.On == nil {
		r.On = []string{apisix.RetryConnectFailure}
	}
	return &r, err
}

func (r *retry) beforeProxy(e *exchange) {
	out := &Retry{
		Attempts: -1, PerTryTimeout: seconds(r.PerTry), Timeout: seconds(r.Timeout), Backoff: seconds(r.Backoff),
		On: r.On, Statuses: r.Statuses, PreviousHosts: r.Previous, RemoteLocalities: r.Remote,
	}
	if r.Attempts != nil {
		out.Attempts = *r.Attempts
	}
	e.result.Retry = out
}
