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
	"fmt"
)

// headers is mesh-headers.
type headers struct {
	nothing
	request, response *headerOps
}

func parseHeaders(raw json.RawMessage) (plugin, error) {
	conf, err := decodeConf[struct {
		Request  *headerOpsJSON `json:"request"`
		Response *headerOpsJSON `json:"response"`
	}](raw)
	if err != nil {
		return nil, err
	}
	h := &headers{}
	if h.request, err = conf.Request.parse(); err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	if h.response, err = conf.Response.parse(); err != nil {
		return nil, fmt.Errorf("response: %w", err)
	}
	return h, nil
}

func (h *headers) access(e *exchange) {
	e.routed = true
	for _, t := range e.targets {
		h.request.applyRequest(e, t)
	}
}

// headerFilter leaves alone what was answered before the router, such as an abort.
func (h *headers) headerFilter(e *exchange) {
	if e.routed {
		e.responses(func(t *target) { h.response.applyResponse(e, t) })
	}
}
