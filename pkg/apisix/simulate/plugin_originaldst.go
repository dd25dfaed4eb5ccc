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
	"time"
)

// originalDst is mesh-original-dst.
type originalDst struct {
	nothing
	Scheme         string  `json:"scheme"`
	ConnectTimeout float64 `json:"connect_timeout"`
	IdleTimeout    float64 `json:"idle_timeout"`
	PeersOf        string  `json:"peers_of"`
}

// The defaults of mesh-original-dst: there is no other limit than that of the connection.
const (
	originalDstConnectTimeout = 10
	originalDstTimeout        = 24 * time.Hour
)

func parseOriginalDst(raw json.RawMessage) (plugin, error) {
	return newOriginalDst(raw)
}

func newOriginalDst(raw json.RawMessage) (*originalDst, error) {
	o, err := decodeConf[originalDst](raw)
	if o.ConnectTimeout == 0 {
		o.ConnectTimeout = originalDstConnectTimeout
	}
	return &o, err
}

func (o *originalDst) access(e *exchange) {
	for _, t := range e.targets {
		o.take(e, t)
	}
}

// take sends what was captured to where it was going. There is no other address, and so no retry.
func (o *originalDst) take(e *exchange, t *target) {
	if e.originalDst.IsValid() {
		t.OriginalDst = e.originalDst
		t.Timeout = Timeout{seconds(o.ConnectTimeout), originalDstTimeout, originalDstTimeout}
	}
}
