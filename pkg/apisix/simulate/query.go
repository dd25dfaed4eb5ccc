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

// parseArgs reads a query as ngx.req.get_uri_args(0) does: pairs are split by "&", names and values are decoded, "+" is a
// space, an escape that is none stays, an empty name is dropped. Of a name that comes several times APISIX takes the first.
func parseArgs(query string) map[string]value {
	out := map[string]value{}
	for start := 0; start <= len(query); {
		end := start
		for end < len(query) && query[end] != '&' {
			end++
		}
		pair := query[start:end]
		start = end + 1
		name, v := pair, flag
		for i := range len(pair) {
			if pair[i] == '=' {
				name, v = pair[:i], text(unescape(pair[i+1:]))
				break
			}
		}
		if name = unescape(name); name == "" {
			continue
		}
		if _, dup := out[name]; !dup {
			out[name] = v
		}
	}
	return out
}

// unescape is ngx_http_lua_unescape_uri for components.
func unescape(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+':
			b = append(b, ' ')
		case c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			b = append(b, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		default:
			b = append(b, c)
		}
	}
	return string(b)
}
