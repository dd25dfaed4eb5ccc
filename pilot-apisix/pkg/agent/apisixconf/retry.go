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
	"slices"
	"strconv"
	"strings"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// retryPlugin is the plugin that sends requests to the locations below.
const retryPlugin = "mesh-retry"

// everyClass are the classes of retries that are always there. Others come with the resources that ask for them.
var everyClass = []string{
	apisix.RetryClassReset, apisix.RetryClassGatewayError, apisix.RetryClass5xx, apisix.RetryClass5xx + "_409", "503",
}

// retryClasses are all classes, each once, in order.
func retryClasses(o *Options) []string {
	out := slices.Concat(everyClass, o.RetryClasses)
	slices.Sort(out)
	return slices.Compact(out)
}

// proxyLocation is APISIX's own location @disable_proxy_buffering, which its router leads to in the same way. Responses are not
// held back: the time for a response ends while it is on its way, as it does with Envoy.
const proxyLocation = `location @mesh_%s {
    access_by_lua_block { %s() }
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
    %sproxy_pass %s://apisix_backend$upstream_uri;
    header_filter_by_lua_block { apisix.http_header_filter_phase() }
    body_filter_by_lua_block { apisix.http_body_filter_phase() }
    log_by_lua_block { apisix.http_log_phase() }
}
`

// What nginx itself repeats, when it does: what it calls an error is a connection that fails, before or after the request was sent;
// a timeout is of connecting, too. Envoy repeats requests whatever their method is, hence non_idempotent: without it nginx would
// not repeat a POST that it has sent. Our Lua looks at each before it goes on.
const withoutResponse = "proxy_next_upstream error timeout invalid_header non_idempotent;\n"

// retryLocations are the named locations that mesh-retry sends requests to, one per class and one for the last try: nginx decides
// per location which responses do not pass. kind is part of the names, tls are directives for the connections to servers, and scheme is
// that of the requests.
//
// What comes back is either a response, or what nginx makes of a try without one: 502 or 504. A class that has one of these two and
// not the other could not tell them from responses; there nginx repeats tries without a response by itself.
func retryLocations(classes []string, kind, tls, scheme string) string {
	var b strings.Builder
	for _, class := range classes {
		statuses, _ := apisix.RetryClassStatuses(class)
		rules := "proxy_next_upstream off;\n"
		if len(statuses) == 0 {
			statuses = []int{502, 504}
		} else {
			if !slices.Contains(statuses, 502) || !slices.Contains(statuses, 504) {
				rules = withoutResponse
			}
			rules += "proxy_intercept_errors on;\n"
		}
		rules += "recursive_error_pages on;\nerror_page"
		for _, status := range statuses {
			rules += " " + strconv.Itoa(status)
		}
		rules += " = @mesh_retry_" + kind + class + ";\n"
		writeLocation(&b, "retry_"+kind+class, `require("apisix.mesh.again").access`, tls+rules, scheme)
	}
	writeLocation(&b, "retry_"+kind+"last", `require("apisix.mesh.again").finally`, tls+withoutResponse, scheme)
	return b.String()
}

func writeLocation(b *strings.Builder, name, access, directives, scheme string) {
	fmt.Fprintf(b, proxyLocation, name, access, strings.ReplaceAll(directives, "\n", "\n    "), scheme)
}
