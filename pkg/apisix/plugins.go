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

// MaxWeightedUpstreams is how many upstreams a rule of the traffic-split plugin takes ("maxItems" of its schema).
const MaxWeightedUpstreams = 20

// TrafficSplit is the plugin of that name with one unconditional rule.
type TrafficSplit struct {
	Upstreams []WeightedUpstream
}

// WeightedUpstream is a share of a TrafficSplit; weights are relative to each other. No two may name the same upstream:
// the plugin would keep the last of them only.
type WeightedUpstream struct {
	UpstreamID string
	Weight     int
}

// PluginName implements Plugin.
func (*TrafficSplit) PluginName() string { return "traffic-split" }

// AppendJSON implements Plugin.
func (t *TrafficSplit) AppendJSON(b []byte) []byte {
	b = append(b, `{"rules":[{"weighted_upstreams":[`...)
	for i, u := range t.Upstreams {
		if i > 0 {
			b = append(b, ',')
		}
		o := beginObject(b)
		o.string("upstream_id", u.UpstreamID)
		o.int("weight", u.Weight)
		b = o.end()
	}
	return append(b, `]}]}`...)
}
