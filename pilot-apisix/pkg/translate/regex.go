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

package translate

import (
	"errors"
	"regexp/syntax"
	"slices"
	"strings"
)

var errMultiLine = errors.New("its (?m) means something else at a last newline")

var errNotASCII = errors.New("it names characters outside of ASCII, which PCRE compares as bytes")

// fullMatchPCRE rewrites an RE2 expression that must match a whole value as a PCRE with the same meaning. The expression
// is parsed and printed anew, because the same text means different things: PCRE's "$" matches before a last newline, and
// its "\s" and "\d" are not RE2's.
func fullMatchPCRE(re2 string) (string, error) {
	pcre, err := portablePCRE(re2)
	if err != nil {
		return "", err
	}
	return "^(?:" + pcre + `)\z`, nil
}

// portablePCRE is the same for an expression that may match anywhere.
func portablePCRE(re2 string) (string, error) {
	re, err := syntax.Parse(re2, syntax.Perl)
	if err != nil {
		return "", err
	}
	if multiLine(re) {
		return "", errMultiLine
	}
	portable(re)
	pcre := re.String()
	if !isASCII(pcre) {
		return "", errNotASCII
	}
	return verticalTabs(pcre), nil
}

// multiLine says that re looks for the beginnings or ends of lines.
func multiLine(re *syntax.Regexp) bool {
	return re.Op == syntax.OpBeginLine || re.Op == syntax.OpEndLine || slices.ContainsFunc(re.Sub, multiLine)
}

// verticalTabs spells out the "\v" that Go prints: to PCRE it is all vertical space.
func verticalTabs(printed string) string {
	var b strings.Builder
	for i := 0; i < len(printed); i++ {
		if printed[i] != '\\' || i+1 == len(printed) {
			b.WriteByte(printed[i])
			continue
		}
		i++
		if printed[i] == 'v' {
			b.WriteString(`\x0b`)
		} else {
			b.WriteString(printed[i-1 : i+1])
		}
	}
	return b.String()
}

// isASCII says that an expression as Go prints it names no character outside of ASCII, be it as itself, as \xhh or as
// \x{h…}.
func isASCII(printed string) bool {
	for i := 0; i < len(printed); i++ {
		if printed[i] >= 0x80 {
			return false
		}
		if printed[i] != '\\' {
			continue
		}
		i++ // what is escaped
		if rest := printed[i:]; strings.HasPrefix(rest, "x{") || len(rest) > 1 && rest[0] == 'x' && rest[1] >= '8' {
			return false
		}
	}
	return true
}

// portable changes what Go would print in a way that PCRE reads differently.
func portable(re *syntax.Regexp) {
	switch re.Op {
	case syntax.OpEndText:
		re.Flags &^= syntax.WasDollar // prints as \z
	case syntax.OpCharClass:
		re.Rune = withoutFolds(re.Rune)
	}
	for _, sub := range re.Sub {
		portable(sub)
	}
}

// withoutFolds takes the two characters out of a class that Unicode folds to "k" and "s": a class that ignores case has
// them, and no bytes could match them.
func withoutFolds(ranges []rune) []rune {
	const kelvin, longS = '\u212a', '\u017f'
	out := make([]rune, 0, len(ranges))
	for i := 0; i+1 < len(ranges); i += 2 {
		if lo, hi := ranges[i], ranges[i+1]; lo != hi || lo != kelvin && lo != longS {
			out = append(out, lo, hi)
		}
	}
	if len(out) == 0 {
		return slices.Clone(ranges)
	}
	return out
}
