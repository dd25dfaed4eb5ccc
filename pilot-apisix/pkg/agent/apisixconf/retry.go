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

// retryPlugin is the plugin that sends requests to the locations below.
const retryPlugin = "mesh-retry"

// retryClass is what a try may fail with for nginx to make another one.
type retryClass struct {
	// name is the location's, after "@mesh_retry_": the plugin's class with underscores.
	name string
	// conditions are of proxy_next_upstream.
	conditions string
}

// retryClasses are Envoy's retry_on as far as nginx knows them. What nginx calls an error is a connection that fails, before
// or after the request was sent; a timeout is of connecting, too. Envoy repeats requests whatever their method is, hence
// non_idempotent: without it nginx would not repeat a POST that it has sent. The class connect-failure does not have it, so
// that a POST is repeated only while no upstream has seen it.
//
// There are none for gRPC: nginx repeats no gRPC request that it has sent, whatever grpc_next_upstream says.
var retryClasses = []retryClass{
	{"connect_failure", "error"},
	{"reset", "error timeout invalid_header non_idempotent"},
	{"gateway_error", "error timeout invalid_header http_502 http_503 http_504 non_idempotent"},
	{"5xx", "error timeout invalid_header http_500 http_502 http_503 http_504 non_idempotent"},
}

// proxyLocation is APISIX's own location @disable_proxy_buffering, which its router leads to in the same way, with other
// conditions. Responses are not held back: the time for a response ends while it is on its way, as it does with Envoy.
const proxyLocation = `location @mesh_%s {
    access_by_lua_block { apisix.disable_proxy_buffering_access_phase() }
    proxy_http_version 1.1;
    proxy_set_header Host $upstream_host;
    proxy_set_header Upgrade $upstream_upgrade;
    proxy_set_header Connection $upstream_connection;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_pass_header Date;
    proxy_buffering off;
    proxy_buffer_size 16k;
    proxy_busy_buffers_size 16k;
    %sproxy_next_upstream %s;
    proxy_pass %s://apisix_backend$upstream_uri;
    header_filter_by_lua_block { apisix.http_header_filter_phase() }
    body_filter_by_lua_block { apisix.http_body_filter_phase() }
    log_by_lua_block { apisix.http_log_phase() }
}
`

// retryLocations are the named locations that mesh-retry sends requests to, one per class: nginx decides per location what is
// tried again. tls are directives for the connections to servers.
func retryLocations(tls string) string {
	var b strings.Builder
	for _, c := range retryClasses {
		fmt.Fprintf(&b, proxyLocation, "retry_"+c.name, strings.ReplaceAll(tls, "\n", "\n    "), c.conditions, "$upstream_scheme")
	}
	return b.String()
}
