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
	"slices"
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

// origination are the directives for connections to servers that have TLS of their own, of which apisix.mesh.verify judges the certificates. With
// the mode Peer OpenSSL ends a handshake whose certificate is not taken; nginx itself compares nothing.
const origination = `%[1]s_ssl_name $mesh_peer;
%[1]s_ssl_server_name on;
%[1]s_ssl_protocols TLSv1.2 TLSv1.3;
%[1]s_ssl_verify off;
%[1]s_ssl_session_reuse off;
%[1]s_ssl_conf_command VerifyMode Peer;
`

func originations(prefix string) string { return fmt.Sprintf(origination, prefix) }

// verification has Lua judge certificates. The directive is for proxy_pass alone.
const verification = `lua_upstream_skip_openssl_default_verify on;
proxy_ssl_verify_by_lua_block { require("apisix.mesh.verify").handshake() }
`

// grpcLocation is APISIX's @grpc_pass for servers that have TLS of their own. Only beside a proxy_pass does nginx take the directive that has the
// handshake ask Lua; the later grpc_pass is what handles requests, and apisix.mesh.alpn has its handshakes ask too.
const grpcLocation = `location @mesh_%s_grpc {
    access_by_lua_block { apisix.grpc_access_phase() }
    grpc_set_header ":authority" $upstream_host;
    grpc_set_header Content-Type application/grpc;
    grpc_set_header TE trailers;
    grpc_socket_keepalive on;
    %sproxy_pass https://apisix_backend;
    grpc_pass grpcs://apisix_backend;
    header_filter_by_lua_block { apisix.http_header_filter_phase() }
    body_filter_by_lua_block { apisix.http_body_filter_phase() }
    log_by_lua_block { apisix.http_log_phase() }
}
`

// originationKinds are those of TLS of which Lua judges the certificates: that of servers outside of the mesh, and the mesh's own, where it
// asks for another server name than the one that is proved. They differ in the protocols that apisix.mesh.alpn has them offer.
func originationKinds(identity string) []string {
	if identity == "" {
		return []string{"tls"}
	}
	return []string{"tls", "mtls"}
}

// originationLocations are the named locations for requests to such servers. For each kind there is one for HTTP, one for gRPC, and those of
// mesh-retry once more.
func originationLocations(o *Options) string {
	var b strings.Builder
	proxy := originations("proxy")
	for _, kind := range originationKinds(o.Identity) {
		writeLocation(&b, kind, "apisix.disable_proxy_buffering_access_phase", proxy+verification, "https")
		fmt.Fprintf(&b, grpcLocation, kind, strings.ReplaceAll(proxy+originations("grpc")+verification, "\n", "\n    "))
		if slices.Contains(o.Plugins, retryPlugin) {
			b.WriteString(retryLocations(retryClasses(o), kind+"_", proxy+verification, "https"))
		}
	}
	return b.String()
}

// tlsServer is how connections that are not HTTP go on to such servers (apisix.mesh.stream_server). Nobody comes to its socket.
const tlsServer = `server {
    listen unix:%s;
    server_name mesh-%s;
    proxy_pass apisix_backend;
    proxy_ssl on;
    %slog_by_lua_block { apisix.stream_log_phase() }
}
`

// streamOrigination are the servers of tlsServer, one of each kind.
func streamOrigination(socket, identity string) string {
	var b strings.Builder
	own := strings.ReplaceAll(originations("proxy")+verification, "$mesh_peer", "$upstream_sni")
	for _, kind := range originationKinds(identity) {
		fmt.Fprintf(&b, tlsServer, socket, kind, strings.ReplaceAll(own, "\n", "\n    "))
	}
	return b.String()
}
