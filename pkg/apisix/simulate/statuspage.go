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

package simulate

import (
	"net/http"
	"strings"
)

// statusLocation is served by nginx itself, to 127.0.0.0/24.
const statusLocation = "/apisix/nginx_status"

func statusPage(r *request) *Response {
	switch {
	case !strings.HasPrefix(r.remoteAddr, "127.0.0."):
		return &Response{Status: http.StatusForbidden}
	case r.method != http.MethodGet && r.method != http.MethodHead:
		return &Response{Status: http.StatusMethodNotAllowed}
	}
	return &Response{Status: http.StatusOK}
}
