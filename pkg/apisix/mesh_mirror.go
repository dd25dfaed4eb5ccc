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

// MeshMirror is the plugin mesh-mirror: it sends copies of requests to other upstreams.
type MeshMirror struct {
	Mirrors []MirrorTo
}

// MirrorTo is where a share of the requests is copied to.
type MirrorTo struct {
	UpstreamID string
	// Percentage of the requests, 0 to 100.
	Percentage float64
}

// PluginName implements Plugin.
func (*MeshMirror) PluginName() string { return "mesh-mirror" }

// AppendJSON implements Plugin.
func (m *MeshMirror) AppendJSON(b []byte) []byte {
	b = append(b, `{"mirrors":[`...)
	for i, t := range m.Mirrors {
		if i > 0 {
			b = append(b, ',')
		}
		o := beginObject(b)
		o.number("percentage", t.Percentage)
		o.string("upstream_id", t.UpstreamID)
		b = o.end()
	}
	return append(b, `]}`...)
}
