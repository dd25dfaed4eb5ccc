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

import "encoding/json"

// originalDst is mesh-original-dst.
type originalDst struct {
	nothing
	Scheme         string  `json:"scheme"`
	ConnectTimeout float64 `json:"connect_timeout"`
}

func parseOriginalDst(raw json.RawMessage) (plugin, error) {
	o, err := decodeConf[originalDst](raw)
	return &o, err
}

func (o *originalDst) access(e *exchange) {
	for _, t := range e.targets {
		e.toOriginalDst(t)
	}
}

// toOriginalDst sends what was captured to where it was going.
func (e *exchange) toOriginalDst(t *target) {
	if e.originalDst.IsValid() {
		t.OriginalDst = e.originalDst
	}
}
