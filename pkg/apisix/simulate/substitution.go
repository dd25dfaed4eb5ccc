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
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// substitution is ngx.re.gsub: every match is replaced, also an empty one right behind another match, which Go passes over.
type substitution struct {
	re *regexp.Regexp
	// free says that a match depends on nothing in front of it, so that the rest of a text can be looked at alone.
	free bool
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
	parsed, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil {
		return nil, err
	}
	s := &substitution{re: re, free: !looksBack(parsed)}
	if !s.free && canBeEmpty(parsed) && !anchored(parsed) {
		return nil, fmt.Errorf("an expression that can match nothing and looks back is %w", errNotSimulated)
	}
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
	for _, m := range s.matches(subject) {
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

func (s *substitution) matches(subject string) [][]int {
	if !s.free {
		return s.re.FindAllStringSubmatchIndex(subject, -1)
	}
	var out [][]int
	for from := 0; from <= len(subject); {
		m := s.re.FindStringSubmatchIndex(subject[from:])
		if m == nil {
			break
		}
		for i := range m {
			if m[i] >= 0 {
				m[i] += from
			}
		}
		out = append(out, m)
		from = m[1]
		if m[0] == m[1] {
			// The next byte; a private rune of three bytes stands for one.
			_, size := utf8.DecodeRuneInString(subject[from:])
			from += max(1, size)
		}
	}
	return out
}

// looksBack says that re looks at what is in front of it.
func looksBack(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpBeginText, syntax.OpBeginLine, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return true
	}
	for _, sub := range re.Sub {
		if looksBack(sub) {
			return true
		}
	}
	return false
}

// anchored says that re can match at the beginning only.
func anchored(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpBeginText:
		return true
	case syntax.OpConcat, syntax.OpCapture:
		return len(re.Sub) > 0 && anchored(re.Sub[0])
	}
	return false
}

// canBeEmpty says that re can match no bytes.
func canBeEmpty(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpLiteral:
		return len(re.Rune) == 0
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL, syntax.OpNoMatch:
		return false
	case syntax.OpPlus, syntax.OpCapture:
		return canBeEmpty(re.Sub[0])
	case syntax.OpRepeat:
		return re.Min == 0 || canBeEmpty(re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			if !canBeEmpty(sub) {
				return false
			}
		}
		return true
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			if canBeEmpty(sub) {
				return true
			}
		}
		return false
	}
	return true
}
