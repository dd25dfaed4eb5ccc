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

import "cmp"

// VarServerName is nginx's variable with the server name of a TLS connection that is terminated here.
const VarServerName = "ssl_server_name"

// The types of SSL.
const (
	// SSLServerType is for the TLS that APISIX terminates.
	SSLServerType = "server"
	// SSLClientType is what APISIX shows to upstreams; there is no SNI then.
	SSLClientType = "client"
)

// SSL is an object of /apisix/ssls. Its fields are APISIX's of the same name.
type SSL struct {
	ID string
	// Type is SSLServerType when empty.
	Type string
	// SNI is exact, has a leading "*.", or is "*". APISIX takes one label for the star of a name.
	SNI string
	// Cert and Key are PEM, Certs and Keys more of them, for clients that want other algorithms.
	Cert, Key   string
	Certs, Keys []string
	// Client asks for a client's certificate; nil for not.
	Client *SSLClient
	// SSLProtocols are like "TLSv1.3"; none for those of config.yaml.
	SSLProtocols []string
}

// SSLClient says which certificates of clients are valid.
type SSLClient struct {
	// CA is PEM.
	CA string
	// Depth is how many certificates a chain has below its root.
	Depth int
	// SkipMTLSURIRegex are the requests for which a client needs none.
	SkipMTLSURIRegex []string
}

// AppendJSON appends s in canonical form.
func (s *SSL) AppendJSON(b []byte) []byte {
	o := beginObject(b)
	o.string("cert", s.Cert)
	o.strings("certs", s.Certs)
	if c := s.Client; c != nil {
		o.key("client")
		client := beginObject(o.b)
		client.string("ca", c.CA)
		client.int("depth", c.Depth)
		client.strings("skip_mtls_uri_regex", c.SkipMTLSURIRegex)
		o.b = client.end()
	}
	o.string("id", s.ID)
	o.string("key", s.Key)
	o.strings("keys", s.Keys)
	o.string("sni", s.SNI)
	o.strings("ssl_protocols", s.SSLProtocols)
	o.string("type", cmp.Or(s.Type, SSLServerType))
	return o.end()
}

// strings writes a list; nothing for none.
func (o *object) strings(k string, list []string) {
	if len(list) > 0 {
		o.key(k)
		o.b = AppendStrings(o.b, list)
	}
}
