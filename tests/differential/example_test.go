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

package differential

import (
	"regexp/syntax"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
)

// example is a value that the condition takes, most of the time.
func (r *random) example(m *networking.StringMatch) (string, bool) {
	switch t := m.GetMatchType().(type) {
	case *networking.StringMatch_Exact:
		return t.Exact, true
	case *networking.StringMatch_Prefix:
		return t.Prefix + pick(r, []string{"", "", "x", "/x", "b"}), true
	case *networking.StringMatch_Regex:
		if t.Regex == "*" {
			break
		}
		re, err := syntax.Parse(t.Regex, syntax.Perl)
		if err != nil {
			return "", false
		}
		var b strings.Builder
		r.write(&b, re)
		return b.String(), true
	}
	return pick(r, []string{"", "v"}), true
}

// write appends a text that the expression takes, if anchors and the like do not forbid it.
func (r *random) write(b *strings.Builder, re *syntax.Regexp) {
	repeat := func(low, high int) {
		for range r.times(low, high) {
			r.write(b, re.Sub[0])
		}
	}
	switch re.Op {
	case syntax.OpLiteral:
		for _, c := range re.Rune {
			if re.Flags&syntax.FoldCase != 0 && r.maybe(2) {
				b.WriteString(strings.ToLower(string(c)))
			} else {
				b.WriteRune(c)
			}
		}
	case syntax.OpCharClass:
		if len(re.Rune) > 0 {
			i := 2 * r.IntN(len(re.Rune)/2)
			low, high := max(re.Rune[i], '!'), min(re.Rune[i+1], '~')
			if low <= high {
				b.WriteRune(low + rune(r.IntN(int(high-low)+1)))
			}
		}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteByte(pick(r, []byte("abv1/.-x")))
	case syntax.OpCapture:
		r.write(b, re.Sub[0])
	case syntax.OpStar:
		repeat(0, 3)
	case syntax.OpPlus:
		repeat(1, 3)
	case syntax.OpQuest:
		repeat(0, 1)
	case syntax.OpRepeat:
		high := re.Max
		if high < 0 {
			high = re.Min + 2
		}
		repeat(re.Min, high)
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			r.write(b, sub)
		}
	case syntax.OpAlternate:
		r.write(b, pick(r, re.Sub))
	}
}
