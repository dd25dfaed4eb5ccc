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
	"errors"
	"fmt"
)

// split is mesh-split.
type split struct {
	nothing
	destinations []splitDestination
}

type splitDestination struct {
	id, authority string
	weight        int
	// status answers in the place of an upstream; 0 for none.
	status            int
	originalDst       *originalDst
	request, response *headerOps
}

func parseSplit(raw json.RawMessage) (plugin, error) {
	conf, err := decodeConf[struct {
		Destinations []struct {
			UpstreamID  id              `json:"upstream_id"`
			Weight      int             `json:"weight"`
			Status      int             `json:"status"`
			OriginalDst json.RawMessage `json:"original_dst"`
			Authority   string          `json:"authority"`
			Request     *headerOpsJSON  `json:"request"`
			Response    *headerOpsJSON  `json:"response"`
		} `json:"destinations"`
	}](raw)
	if err != nil {
		return nil, err
	}
	s := &split{}
	for i, in := range conf.Destinations {
		d := splitDestination{
			id: string(in.UpstreamID), authority: in.Authority, weight: in.Weight, status: in.Status,
		}
		if in.OriginalDst != nil {
			if d.originalDst, err = newOriginalDst(in.OriginalDst); err != nil {
				return nil, fmt.Errorf("destinations[%d].original_dst: %w", i, err)
			}
		}
		if d.request, err = in.Request.parse(); err != nil {
			return nil, fmt.Errorf("destinations[%d].request: %w", i, err)
		}
		if d.response, err = in.Response.parse(); err != nil {
			return nil, fmt.Errorf("destinations[%d].response: %w", i, err)
		}
		if (d.id == "") == (d.status == 0) || d.weight < 0 {
			return nil, fmt.Errorf("destinations[%d] needs an upstream_id or a status, and a weight of 0 or more", i)
		}
		s.destinations = append(s.destinations, d)
	}
	if len(s.destinations) == 0 {
		return nil, errors.New("it has no destinations")
	}
	return s, nil
}

func (s *split) access(e *exchange) {
	e.routed = true
	e.targets = nil
	for _, d := range s.destinations {
		if d.weight > 0 {
			e.targets = append(e.targets, d.target(e))
		}
	}
	if len(e.targets) == 0 {
		// Without any weight the first one takes everything.
		first := s.destinations[0]
		first.weight = 1
		e.targets = append(e.targets, first.target(e))
	}
}

func (d *splitDestination) target(e *exchange) *target {
	t := e.newTarget(d.id, d.weight)
	t.Request.Host = d.authority
	t.response = d.response
	if t.Status = d.status; t.Status != 0 {
		return t
	}
	d.request.applyRequest(e, t)
	if d.originalDst != nil {
		d.originalDst.take(e, t)
	}
	return t
}

func (s *split) headerFilter(e *exchange) {
	// An answer for all destinations, such as 503, has the changes of the one that was chosen.
	e.responses(func(t *target) { t.response.applyResponse(e, t) })
}
