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
	"strconv"
	"strings"
)

// nginxHost is $host of a Host header (ngx_http_validate_host): lower case, without port and without the last dot. It is false
// for what nginx answers with 400.
func nginxHost(h string) (string, bool) {
	const usual, literal, rest = 0, 1, 2
	state, end, dot := usual, len(h), -1
	for i := range len(h) {
		switch c := h[i]; c {
		case '.':
			if dot >= 0 && dot == i-1 {
				return "", false
			}
			dot = i
		case ':':
			if state == usual {
				end, state = i, rest
			}
		case '[':
			if i == 0 {
				state = literal
			}
		case ']':
			if state == literal {
				end, state = i+1, rest
			}
		default:
			if c == '/' || c <= ' ' || c == 0x7f {
				return "", false
			}
		}
	}
	if end > 0 && dot == end-1 {
		end--
	}
	if end == 0 {
		return "", false
	}
	return asciiLower(h[:end]), true
}

// hostPort is the port of a Host header as the maps of nginx.conf find it (":(\d+)$"), or "".
func hostPort(h string) string {
	i := len(h)
	for i > 0 && h[i-1] >= '0' && h[i-1] <= '9' {
		i--
	}
	if i == len(h) || i == 0 || h[i-1] != ':' {
		return ""
	}
	return h[i:]
}

// portOf is the port that the request was sent to when it came in that direction, and empty otherwise: the variables
// apisix.VarOriginalDstPort and apisix.VarInboundPort.
func (r *request) portOf(inbound bool) string {
	if r.inbound != inbound {
		return ""
	}
	return r.requestedPort()
}

func (r *request) requestedPort() string {
	if r.originalDst.IsValid() {
		return strconv.Itoa(int(r.originalDst.Port()))
	}
	if p := hostPort(r.httpHost); p != "" {
		return p
	}
	return "80"
}

// hostPattern is a host of a route in APISIX's form: exact, or "*" and a suffix.
func hostPattern(h string) (suffix string, wildcard bool) {
	return strings.CutPrefix(h, "*")
}
