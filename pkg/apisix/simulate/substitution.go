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
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// substitution replaces every match as RE2 does, and so does Go: an empty one right behind another match is none.
type substitution struct {
	re *regexp.Regexp
	// parts are texts, and the numbers of groups where a text is empty.
	parts []substitutionPart
}

type substitutionPart struct {
	text  string
	group int
}

func newSubstitution(pattern, replacement string) (*substitution, error) {
	re, err := compilePCRE(pattern, false)
	if err != nil {
		return nil, err
	}
	s := &substitution{re: re}
	return s, s.parse(replacement, re.NumSubexp())
}

// parse reads $1, ${1} and $$.
func (s *substitution) parse(replacement string, groups int) error {
	for {
		before, after, found := strings.Cut(replacement, "$")
		if before != "" {
			s.parts = append(s.parts, substitutionPart{text: before})
		}
		if !found {
			return nil
		}
		if strings.HasPrefix(after, "$") {
			s.parts = append(s.parts, substitutionPart{text: "$"})
			replacement = after[1:]
			continue
		}
		digits, braces := after, strings.HasPrefix(after, "{")
		if braces {
			digits = after[1:]
		}
		n, group := 0, 0
		for n < len(digits) && n < 4 && isDigit(digits[n]) {
			group = group*10 + int(digits[n]-'0')
			n++
		}
		rest := digits[n:]
		if n == 0 || braces && !strings.HasPrefix(rest, "}") {
			return errors.New("the substitution has a $ that is not followed by the number of a group")
		}
		if group > groups {
			return fmt.Errorf("the substitution has $%d, and the pattern %d groups", group, groups)
		}
		s.parts = append(s.parts, substitutionPart{group: group})
		replacement = strings.TrimPrefix(rest, "}")
		if !braces {
			replacement = rest
		}
	}
}

func (s *substitution) apply(text string) string {
	subject := pcreSubject(text)
	var b strings.Builder
	copied := 0
	for _, m := range s.re.FindAllStringSubmatchIndex(subject, -1) {
		b.WriteString(subject[copied:m[0]])
		for _, p := range s.parts {
			if p.text != "" {
				b.WriteString(p.text)
			} else if m[2*p.group] >= 0 {
				b.WriteString(subject[m[2*p.group]:m[2*p.group+1]])
			}
		}
		copied = m[1]
	}
	b.WriteString(subject[copied:])
	return pcreResult(b.String())
}
