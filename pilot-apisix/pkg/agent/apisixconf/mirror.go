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
	"strings"
)

// mirrorServer takes copies of requests that a timer cannot secure, at a unix socket (apisix.mesh.mirror).
const mirrorServer = `server {
    listen unix:%s;
    access_log off;
    client_max_body_size 0;
    location / {
        set $upstream_scheme http;
        set $upstream_host $http_host;
        set $ctx_ref "";
        access_by_lua_block { require("apisix.mesh.mirror").access() }
        %s%sproxy_pass $upstream_scheme://apisix_backend;
    }
    location @mesh_mirror_grpc {
        access_by_lua_block { apisix.disable_proxy_buffering_access_phase() }
        %s%sgrpc_pass $upstream_scheme://apisix_backend;
    }
%s}
`

// mirrorTLS are the locations of a kind of TLS of which Lua judges the certificates.
const mirrorTLS = `    location @mesh_mirror_%[1]s {
        access_by_lua_block { apisix.disable_proxy_buffering_access_phase() }
        %[2]s%[3]sproxy_pass https://apisix_backend;
    }
    location @mesh_mirror_%[1]s_grpc {
        access_by_lua_block { apisix.disable_proxy_buffering_access_phase() }
        %[4]s%[5]sproxy_pass https://apisix_backend;
        grpc_pass grpcs://apisix_backend;
    }
`

const (
	mirrorHTTP = `proxy_http_version 1.1;
proxy_set_header Host $http_host;
proxy_set_header Connection "";
`
	mirrorGRPC = `grpc_set_header ":authority" $http_host;
`
)

// mirrors is the server of mirrorServer. Where there is an identity, nginx checks certificates of the mesh.
func mirrors(socket, identity string) string {
	mesh := func(prefix string) string {
		if identity == "" {
			return ""
		}
		return verify(prefix, identity, "$mesh_peer")
	}
	deeper := func(s string) string { return strings.ReplaceAll(s, "\n", "\n        ") }
	proxy, grpc := originations("proxy"), originations("grpc")
	var own strings.Builder
	for _, kind := range originationKinds(identity) {
		fmt.Fprintf(&own, mirrorTLS, kind, deeper(mirrorHTTP), deeper(proxy+verification), deeper(mirrorGRPC), deeper(proxy+grpc+verification))
	}
	return fmt.Sprintf(mirrorServer, socket, deeper(mirrorHTTP), deeper(mesh("proxy")), deeper(mirrorGRPC), deeper(mesh("grpc")), own.String())
}
