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
	"regexp"
	"strings"
)

var (
	encodedSlash     = regexp.MustCompile("%2[fF]")
	encodedBackslash = regexp.MustCompile("%5[cC]")
	slashes          = regexp.MustCompile("//+")
)

// rbacPath is the path of a target as MeshConfig.pathNormalization wants it, and its query with the question mark. It is false for what
// has no such path.
func rbacPath(target, mode string) (path, query string, ok bool) {
	if strings.Contains(target, "#") {
		return "", "", false
	}
	path, query = target, ""
	if i := strings.IndexByte(target, '?'); i >= 0 {
		path, query = target[:i], target[i:]
	}
	switch {
	case path == "":
		return "/", query, true
	case path[0] != '/':
		return "", "", false
	case mode == "NONE":
		return path, query, true
	case mode == "DECODE_AND_MERGE_SLASHES":
		path = encodedBackslash.ReplaceAllString(encodedSlash.ReplaceAllString(path, "/"), `\`)
	}
	path = canonicalPath(path)
	if mode == "MERGE_SLASHES" || mode == "DECODE_AND_MERGE_SLASHES" {
		path = slashes.ReplaceAllString(path, "/")
	}
	return path, query, true
}

// canonicalPath is what googleurl's CanonicalizePath makes of a path: dot segments are resolved, backslashes are slashes, what is
// unreserved is not encoded and what no path has is.
func canonicalPath(path string) string {
	var segments []string
	rest := strings.ReplaceAll(path[1:], `\`, "/")
	for more := true; more; {
		var segment string
		segment, rest, more = strings.Cut(rest, "/")
		switch dots := strings.NewReplacer("%2e", ".", "%2E", ".").Replace(segment); dots {
		case ".", "..":
			if dots == ".." && len(segments) > 0 {
				segments = segments[:len(segments)-1]
			}
			if !more {
				segments = append(segments, "")
			}
		default:
			segments = append(segments, canonicalSegment(segment))
		}
	}
	return "/" + strings.Join(segments, "/")
}

func canonicalSegment(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			decoded := unhex(s[i+1])<<4 | unhex(s[i+2])
			if isLetter(decoded) || isDigit(decoded) || strings.IndexByte("-._~", decoded) >= 0 {
				b.WriteByte(decoded)
			} else {
				b.WriteString(s[i : i+3])
			}
			i += 2
		case c <= ' ' || c >= 0x7f || strings.IndexByte("\"#<>?^`{|}", c) >= 0:
			fmt.Fprintf(&b, "%%%02X", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
