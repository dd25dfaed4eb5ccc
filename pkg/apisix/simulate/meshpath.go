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
	"fmt"
	"strings"
)

// What the mesh's plugins do to paths (apisix.mesh.path).

// splitTarget cuts a target into its path and its query with the question mark. A fragment is dropped.
func splitTarget(target string) (path, query string) {
	target, _, _ = strings.Cut(target, "#")
	path, query, has := strings.Cut(target, "?")
	if has {
		query = "?" + query
	}
	return path, query
}

// originalPath is the path as it was sent where decoding alone makes nginx's $uri of it, else $uri encoded anew.
func (r *request) originalPath() (path, query string) {
	path, query = splitTarget(r.raw)
	if path != r.uri && percentDecode(path) != r.uri {
		return escapePath(r.uri), query
	}
	return percentEncode(path, func(c byte) bool { return c > ' ' && c < 0x7f }), query
}

// replacePrefix puts rewrite in the place of the prefix, or of the whole path where prefix is empty. It is false where path
// does not begin with it.
func replacePrefix(path, prefix, rewrite string) (string, bool) {
	switch {
	case prefix == "":
		return rewrite, true
	case len(path) >= len(prefix) && asciiLower(path[:len(prefix)]) == asciiLower(prefix):
		return rewrite + path[len(prefix):], true
	}
	return "", false
}

// rewrittenPath is originalPath with its prefix replaced; where that does not begin with it, $uri is tried.
func (r *request) rewrittenPath(prefix, rewrite string) (path, query string, ok bool) {
	path, query = r.originalPath()
	if replaced, ok := replacePrefix(path, prefix, rewrite); ok {
		return replaced, query, true
	}
	if _, begins := replacePrefix(r.uri, prefix, rewrite); begins {
		return rewrite + escapePath(r.uri[len(prefix):]), query, true
	}
	return path, query, false
}

// safePath makes a path fit for a request line.
func safePath(path string) string {
	path = percentEncode(path, func(c byte) bool { return c > ' ' && c < 0x7f && c != '#' })
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return path
}

func escapePath(path string) string {
	return percentEncode(path, func(c byte) bool {
		return isLetter(c) || isDigit(c) || strings.IndexByte("-._~!$&'()*+,;=:@/", c) >= 0
	})
}

func percentEncode(s string, stays func(byte) bool) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; stays(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func percentDecode(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			b = append(b, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		} else {
			b = append(b, s[i])
		}
	}
	return string(b)
}
