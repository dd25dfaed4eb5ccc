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

// IstioMutual is the value of MeshTLS.Mode with which a proxy shows the workload's certificate and takes those of the mesh.
const IstioMutual = "ISTIO_MUTUAL"

// MeshTLS says how our Lua secures the connections of an upstream of SchemeHTTPS or SchemeGRPCS. The words are those of a
// DestinationRule's tls.
type MeshTLS struct {
	Mode string
	// Peer is the DNS name that every node must prove, unless NodeMetadata.Peer has one for each.
	Peer string
}

func (t *MeshTLS) appendJSON(b []byte) []byte {
	o := beginObject(b)
	o.string("mode", t.Mode)
	o.string("peer", t.Peer)
	return o.end()
}
