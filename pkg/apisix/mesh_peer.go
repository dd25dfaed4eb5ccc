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

// The values of MeshPeer.Mode, which are PeerAuthentication's.
const (
	Permissive = "PERMISSIVE"
	Strict     = "STRICT"
)

// MeshPeer is the plugin mesh-peer: it lets in whose certificate is the mesh's, and plain text in the mode Permissive.
type MeshPeer struct {
	Mode string
	// TrustDomains are those whose workloads are let in, sorted; with none, all are.
	TrustDomains []string
}

// PluginName implements Plugin.
func (*MeshPeer) PluginName() string { return "mesh-peer" }

// AppendJSON implements Plugin.
func (p *MeshPeer) AppendJSON(b []byte) []byte {
	o := beginObject(b)
	o.string("mode", p.Mode)
	if len(p.TrustDomains) > 0 {
		o.key("trust_domains")
		o.b = AppendStrings(o.b, p.TrustDomains)
	}
	return o.end()
}
