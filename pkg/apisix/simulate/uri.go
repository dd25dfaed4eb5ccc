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

var badTarget = &refusal{http.StatusBadRequest, "nginx does not take the target of the request line"}

// takeTarget takes the request line's target apart (ngx_http_parse_request_line). The result is the host of a whole URI, which wins
// against the Host header, or "".
func (r *request) takeTarget(t string) (string, *refusal) {
	t = strings.Trim(t, " ")
	for i := range len(t) {
		if t[i] <= ' ' || t[i] == 0x7f {
			return "", badTarget
		}
	}
	path, host := t, ""
	if !strings.HasPrefix(t, "/") {
		authority, rest, ok := absoluteForm(t)
		if !ok {
			return "", badTarget
		}
		if host, ok = nginxHost(authority); !ok {
			return "", badTarget
		}
		path = rest
	}
	r.raw = path
	if strings.HasPrefix(path, "?") {
		path = "/" + path
	}
	uri, args, hasArgs, ok := normalise(path)
	if !ok {
		return "", badTarget
	}
	r.uri, r.args, r.hasArgs = uri, args, hasArgs
	return host, nil
}

// target is what nginx forwards: what was sent, unless that has no path.
func (r *request) target() string {
	if strings.HasPrefix(r.raw, "/") {
		return r.raw
	}
	return r.uri + r.isArgs() + r.args
}

// absoluteForm splits "scheme://authority/path?query"; the path may be empty in front of a query. nginx wants digits for a port, and few characters in a host.
func absoluteForm(t string) (authority, path string, ok bool) {
	scheme, rest, ok := strings.Cut(t, "://")
	if !ok || scheme == "" || !isLetter(scheme[0]) {
		return "", "", false
	}
	for i := range len(scheme) {
		if c := scheme[i]; !isLetter(c) && !isDigit(c) && c != '+' && c != '-' && c != '.' {
			return "", "", false
		}
	}
	end := 0
	if strings.HasPrefix(rest, "[") {
		if end = strings.IndexByte(rest, ']') + 1; end == 0 {
			return "", "", false
		}
		for i := 1; i < end-1; i++ {
			if c := rest[i]; !isLetter(c) && !isDigit(c) && !strings.ContainsRune(":-._~!$&'()*+,;=", rune(c)) {
				return "", "", false
			}
		}
	} else {
		for end < len(rest) && (isLetter(rest[end]) || isDigit(rest[end]) || rest[end] == '.' || rest[end] == '-') {
			end++
		}
	}
	authority, rest = rest[:end], rest[end:]
	if strings.HasPrefix(rest, ":") {
		rest = strings.TrimLeft(rest[1:], "0123456789")
	}
	switch {
	case rest == "":
		return authority, "/", true
	case rest[0] == '/':
		return authority, rest, true
	case rest[0] == '?':
		return authority, rest, true
	}
	return "", "", false
}

// normalise makes $uri and $args (ngx_http_parse_complex_uri with merge_slashes): escapes are decoded, dot segments resolved,
// slashes merged, a fragment cut off. It is false for what nginx answers with 400.
func normalise(path string) (uri, args string, hasArgs, ok bool) {
	const usual, slash, dot, dotDot = 0, 1, 2, 3
	u := make([]byte, 0, len(path))
	state := usual
	up := func() bool {
		// "/a/.." becomes "/", with the slash.
		i := len(u) - 4
		for ; i >= 0 && u[i] != '/'; i-- {
		}
		if i < 0 {
			return false
		}
		u = u[:i+1]
		return true
	}
	end := func() bool {
		switch state {
		case dot:
			u = u[:len(u)-1]
		case dotDot:
			return up()
		}
		return true
	}
	for i := 0; i < len(path); i++ {
		c := path[i]
		literal := false
		if c == '%' {
			if i+2 >= len(path) || !isHex(path[i+1]) || !isHex(path[i+2]) {
				return "", "", false, false
			}
			c = unhex(path[i+1])<<4 | unhex(path[i+2])
			i += 2
			if c == 0 {
				return "", "", false, false
			}
			literal = c == '%' || c == '#' || c == '?'
		}
		switch {
		case literal:
			u, state = append(u, c), usual
		case c == '?':
			if !end() {
				return "", "", false, false
			}
			args, _, fragment := strings.Cut(path[i+1:], "#")
			return string(u), args, args != "" || fragment, true
		case c == '#':
			if !end() {
				return "", "", false, false
			}
			return string(u), "", false, true
		case c == '/':
			switch state {
			case usual:
				u, state = append(u, c), slash
			case dot:
				u, state = u[:len(u)-1], slash
			case dotDot:
				if !up() {
					return "", "", false, false
				}
				state = slash
			}
		case c == '.' && state == slash:
			u, state = append(u, c), dot
		case c == '.' && state == dot:
			u, state = append(u, c), dotDot
		default:
			u, state = append(u, c), usual
		}
	}
	if !end() {
		return "", "", false, false
	}
	return string(u), "", false, true
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isHex(c byte) bool    { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }

func unhex(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}
