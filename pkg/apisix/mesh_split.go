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

// MeshSplit is the plugin mesh-split: what traffic-split does, for any number of destinations which may change requests and
// responses.
type MeshSplit struct {
	Destinations []SplitDestination
}

// SplitDestination is a share of a MeshSplit; weights are relative to each other.
type SplitDestination struct {
	// UpstreamID is empty when Status is set, with which the requests are answered then.
	UpstreamID string
	Status     int
	Weight     int
	// Authority replaces the host; empty leaves it.
	Authority         string
	Request, Response HeaderOperations
	// OriginalDst, when it is set, comes before the upstream.
	OriginalDst *MeshOriginalDst
}

// PluginName implements Plugin.
func (*MeshSplit) PluginName() string { return "mesh-split" }

// AppendJSON implements Plugin.
func (s *MeshSplit) AppendJSON(b []byte) []byte {
	b = append(b, `{"destinations":[`...)
	for i := range s.Destinations {
		d := &s.Destinations[i]
		if i > 0 {
			b = append(b, ',')
		}
		o := beginObject(b)
		o.string("authority", d.Authority)
		if d.OriginalDst != nil {
			o.key("original_dst")
			o.b = d.OriginalDst.AppendJSON(o.b)
		}
		o.operations("request", &d.Request)
		o.operations("response", &d.Response)
		if d.Status != 0 {
			o.int("status", d.Status)
		}
		o.string("upstream_id", d.UpstreamID)
		o.int("weight", d.Weight)
		b = o.end()
	}
	return append(b, `]}`...)
}
