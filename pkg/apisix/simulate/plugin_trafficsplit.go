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
	"net/http"
)

// trafficSplit is APISIX's plugin of that name.
type trafficSplit struct {
	nothing
	rules []splitRule
}

type splitRule struct {
	// match are alternatives; none matches everything.
	match     []expr
	upstreams []Destination
}

func parseTrafficSplit(raw json.RawMessage) (plugin, error) {
	conf, err := decodeConf[struct {
		Rules []struct {
			Match []struct {
				Vars []json.RawMessage `json:"vars"`
			} `json:"match"`
			Upstreams []struct {
				UpstreamID id              `json:"upstream_id"`
				Weight     *int            `json:"weight"`
				Upstream   json.RawMessage `json:"upstream"`
			} `json:"weighted_upstreams"`
		} `json:"rules"`
	}](raw)
	if err != nil {
		return nil, err
	}
	t := &trafficSplit{}
	for i, in := range conf.Rules {
		var rule splitRule
		if in.Match != nil && len(in.Match) == 0 {
			return nil, fmt.Errorf("rules[%d]: an empty match is %w", i, errNotSimulated)
		}
		for _, m := range in.Match {
			e, err := parseVars(m.Vars)
			if err != nil {
				return nil, fmt.Errorf("rules[%d]: %w", i, err)
			}
			rule.match = append(rule.match, e)
		}
		for _, u := range in.Upstreams {
			if u.UpstreamID == "" {
				return nil, fmt.Errorf("rules[%d]: an upstream without an id is %w", i, errNotSimulated)
			}
			weight := 1
			if u.Weight != nil {
				weight = *u.Weight
			}
			if weight < 0 {
				return nil, fmt.Errorf("rules[%d]: the weight %d is negative", i, weight)
			}
			rule.upstreams = append(rule.upstreams, Destination{UpstreamID: string(u.UpstreamID), Weight: weight})
		}
		if len(rule.upstreams) == 0 {
			return nil, fmt.Errorf("rules[%d]: no upstreams are %w", i, errNotSimulated)
		}
		t.rules = append(t.rules, rule)
	}
	return t, nil
}

func (t *trafficSplit) access(e *exchange) {
	for _, rule := range t.rules {
		for _, u := range rule.upstreams {
			if e.config.upstreams[u.UpstreamID] == nil {
				e.why.add("traffic-split: upstream %s does not exist", u.UpstreamID)
				e.respond(&Response{
					Status: http.StatusInternalServerError,
					Body:   "failed to fetch upstream info by upstream id: " + u.UpstreamID,
				})
				return
			}
		}
		if anyHolds(rule.match, e.now()) {
			e.targets = nil
			for _, d := range shares(rule.upstreams) {
				e.targets = append(e.targets, e.newTarget(d.UpstreamID, d.Weight))
			}
			return
		}
	}
}

func anyHolds(list []expr, r *request) bool {
	for _, e := range list {
		if ok, _ := e.holds(r); ok {
			return true
		}
	}
	return len(list) == 0
}

// shares are the destinations that get a request: of those with the same upstream the last one counts, and weight 0 is none
// unless all have it.
func shares(in []Destination) []Destination {
	weights, most := map[string]int{}, 0
	var ids []string
	for _, d := range in {
		if _, dup := weights[d.UpstreamID]; !dup {
			ids = append(ids, d.UpstreamID)
		}
		weights[d.UpstreamID] = d.Weight
	}
	for _, w := range weights {
		most = max(most, w)
	}
	var out []Destination
	for _, id := range ids {
		switch {
		case most == 0:
			out = append(out, Destination{UpstreamID: id, Weight: 1})
		case weights[id] > 0:
			out = append(out, Destination{UpstreamID: id, Weight: weights[id]})
		}
	}
	return out
}
