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
	"regexp"
	"strings"
)

// pathPattern is the expression that lua-resty-radixtree makes of a path with a "*": segments that begin with "*" or ":" are
// parameters, and what is between them is taken for an expression too. Without parameters everything matches.
type pathPattern struct {
	re *regexp.Regexp
	// tail is where the first "*" of a parameter begins; -1 without parameters.
	tail int
}

// maxTail is how many bytes a "*" that begins a segment can stand for. PCRE needs 32 bytes of its stack for each, and APISIX
// gives it 200 KiB (jit_stack_size); beyond that the match fails, and with it the route. Measured on APISIX 3.18.
const maxTail = 6398

func newPathPattern(path string) (*pathPattern, error) {
	segments := strings.Split(path, "/")
	// ngx.re.split drops empty fields at the end.
	for len(segments) > 1 && segments[len(segments)-1] == "" {
		segments = segments[:len(segments)-1]
	}
	parameters, rest, tail := 0, false, -1
	for i, s := range segments {
		switch {
		case strings.HasPrefix(s, ":"):
			segments[i] = `([^\/]+)`
			parameters++
		case strings.HasPrefix(s, "*"):
			rest = i == len(segments)-1
			segments[i] = `((.|\n)*)`
			parameters++
			if tail < 0 {
				tail = strings.IndexByte(path, '*')
			}
		}
	}
	pattern := strings.Join(segments, `\/`)
	if strings.HasSuffix(path, "/") {
		pattern += `\/`
	}
	if parameters == 0 || parameters == 1 && rest && regexp.QuoteMeta(path) == path[:len(path)-1]+`\*` {
		// The prefix, which has matched, says all.
		return &pathPattern{tail: tail}, nil
	}
	re, err := compilePCRE(pattern, false)
	return &pathPattern{re, tail}, err
}

// matches says whether the first match in the path is the whole path.
func (p *pathPattern) matches(path string) bool {
	if p.tail >= 0 && len(path)-p.tail > maxTail {
		return false
	}
	if p.re == nil {
		return true
	}
	subject := pcreSubject(path)
	m := p.re.FindStringIndex(subject)
	return m != nil && m[0] == 0 && m[1] == len(subject)
}
