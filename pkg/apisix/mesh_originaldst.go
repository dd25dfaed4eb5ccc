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

// MeshOriginalDst is the plugin mesh-original-dst: a request goes to where its connection was captured on the way; one that was
// not captured to the route's upstream.
type MeshOriginalDst struct {
	// Scheme is SchemeHTTP when empty.
	Scheme string
	// ConnectTimeout is in seconds.
	ConnectTimeout float64
	// IdleTimeout, in seconds, is for streams; one hour when zero.
	IdleTimeout float64
	// PeersOf is the id of the upstream whose nodes say whom to expect at which address, where connections are secured.
	PeersOf string
}

// PluginName implements Plugin.
func (*MeshOriginalDst) PluginName() string { return "mesh-original-dst" }

// AppendJSON implements Plugin.
func (d *MeshOriginalDst) AppendJSON(b []byte) []byte {
	o := beginObject(b)
	if d.ConnectTimeout > 0 {
		o.number("connect_timeout", d.ConnectTimeout)
	}
	if d.IdleTimeout > 0 {
		o.number("idle_timeout", d.IdleTimeout)
	}
	o.string("peers_of", d.PeersOf)
	o.string("scheme", d.Scheme)
	return o.end()
}
