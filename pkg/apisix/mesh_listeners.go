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

// The values of MeshListener.Protocol.
const (
	ListenHTTP  = "http"
	ListenHTTPS = "https"
	// ListenTCP takes bytes as they are, also those of TLS that is terminated elsewhere.
	ListenTCP = "tcp"
	// ListenTLS terminates TLS.
	ListenTLS = "tls"
)

// MeshListeners is the metadata of the plugin mesh-listeners, an object of /apisix/plugin_metadata: the ports that a gateway has
// to open. APISIX does nothing with it. Its agent does, because APISIX reads its ports from config.yaml. A sidecar has none.
type MeshListeners struct {
	Listeners []MeshListener
}

// MeshListener is a port.
type MeshListener struct {
	Port     int
	Protocol string
	// Bind is an IP address; empty for all.
	Bind string
	// IstioMutual are the server names for which the gateway shows the workload's own certificate and takes those of the mesh. Others of the
	// port's names, which it has where there are any such, are those of SSL. Of all of them, the most specific one decides.
	IstioMutual []MeshServer
	Others      []string
}

// MeshServer is a server with mutual TLS of the mesh.
type MeshServer struct {
	// Names are exact, have a leading "*." for any number of labels, or are "*", which takes clients without a server name, too.
	Names []string
	// SSLProtocols are as in SSL.
	SSLProtocols []string
}

// MeshListenersID is the id of the only MeshListeners: the name of the plugin.
const MeshListenersID = "mesh-listeners"

// PluginName is the name of the plugin that the metadata is for.
func (*MeshListeners) PluginName() string { return MeshListenersID }

// AppendJSON appends l in canonical form.
func (l *MeshListeners) AppendJSON(b []byte) []byte {
	o := beginObject(b)
	o.string("id", MeshListenersID)
	o.key("listeners")
	o.b = append(o.b, '[')
	for i, m := range l.Listeners {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		p := beginObject(o.b)
		p.string("bind", m.Bind)
		if len(m.IstioMutual) > 0 {
			p.key("istio_mutual")
			p.b = append(p.b, '[')
			for j, s := range m.IstioMutual {
				if j > 0 {
					p.b = append(p.b, ',')
				}
				server := beginObject(p.b)
				server.strings("names", s.Names)
				server.strings("ssl_protocols", s.SSLProtocols)
				p.b = server.end()
			}
			p.b = append(p.b, ']')
		}
		p.strings("others", m.Others)
		p.int("port", m.Port)
		p.string("protocol", m.Protocol)
		o.b = p.end()
	}
	o.b = append(o.b, ']')
	return o.end()
}
