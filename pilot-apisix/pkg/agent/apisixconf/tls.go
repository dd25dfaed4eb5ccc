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

package apisixconf

import (
	"fmt"
	"path/filepath"
	"strings"
)

// The files of the workload's identity in Options.Identity, as Istio names them.
const (
	CertChainFile = "cert-chain.pem"
	KeyFile       = "key.pem"
	RootCertFile  = "root-cert.pem"
)

// verifyDepth is the number of authorities between a workload and a root.
const verifyDepth = 5

// fallbackSNI is the server name of clients that give none, for which APISIX would end the handshake.
const fallbackSNI = "none.mesh"

// anySNI is that name for a gateway: such clients are for the server of all names, if there is one, as with Envoy. It is nobody else's name.
const anySNI = "*"

// verify has nginx check the certificates of servers: those of the mesh, and the name in the variable. Where nobody has set one, no certificate
// will do. The prefix is that of the directives, such as "proxy".
func verify(prefix, identity, name string) string {
	var b strings.Builder
	for _, d := range [][2]string{
		{"verify", "on"},
		{"verify_depth", fmt.Sprint(verifyDepth)},
		{"trusted_certificate", filepath.Join(identity, RootCertFile)},
		{"name", name},
		{"server_name", "on"},
		// A connection that is taken up again is not verified.
		{"session_reuse", "off"},
	} {
		if d[1] != "" {
			fmt.Fprintf(&b, "%s_ssl_%s %s;\n", prefix, d[0], d[1])
		}
	}
	return b.String()
}

// peerSnippet is the variable with the name that a server of the mesh must prove (apisix.mesh.upstream_tls).
const peerSnippet = `map $server_port $mesh_peer {
    default "";
}
`
