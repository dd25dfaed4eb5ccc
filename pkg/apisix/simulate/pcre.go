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
)

// nginx matches bytes, without PCRE's UTF mode: "." takes one byte, and only ASCII has upper and lower case. Go matches runes.
// So a subject's bytes above ASCII become runes that have no case and no class, one each, and an expression that names such
// bytes is refused. Within ASCII the syntax that both know means the same but for the few things that are looked for here.

// highByte is the first of the private runes that stand for the bytes from 0x80.
const highByte = 0xf780

// pcreSubject is the form in which a value is matched.
func pcreSubject(s string) string {
	if isASCII(s) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < 0x80 {
			b.WriteByte(c)
		} else {
			b.WriteRune(highByte + rune(c-0x80))
		}
	}
	return b.String()
}

// pcreResult is the inverse of pcreSubject.
func pcreResult(s string) string {
	if isASCII(s) {
		return s
	}
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r >= highByte && r < highByte+0x80 {
			b = append(b, byte(r-highByte)+0x80)
		} else {
			b = append(b, string(r)...)
		}
	}
	return string(b)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// compilePCRE makes the expression of Go that finds what the PCRE finds. It refuses those for which it cannot promise that.
func compilePCRE(pcre string, fold bool) (*regexp.Regexp, error) {
	translated, err := translatePCRE(pcre)
	if err != nil {
		return nil, err
	}
	flags := syntax.Perl
	if fold {
		flags |= syntax.FoldCase
	}
	re, err := syntax.Parse(translated, flags)
	if err != nil {
		return nil, err
	}
	if err := checkOps(re); err != nil {
		return nil, err
	}
	if fold {
		translated = "(?i:" + translated + ")"
	}
	return regexp.Compile(translated)
}

// escapes are those that mean the same to PCRE and Go, outside of classes and within them.
const escapes = "dDwWnrtfa0"

// translatePCRE writes what PCRE and Go read differently in a form that Go reads as PCRE does.
func translatePCRE(pcre string) (string, error) {
	if !isASCII(pcre) {
		return "", fmt.Errorf("an expression with bytes outside of ASCII is %w", errNotSimulated)
	}
	var b strings.Builder
	class := false
	for i := 0; i < len(pcre); i++ {
		c := pcre[i]
		if c != '\\' {
			switch {
			case class && c == ']':
				class = false
			case !class && c == '[':
				class = true
				b.WriteByte(c)
				// A "]" that comes first is a member.
				if i+1 < len(pcre) && pcre[i+1] == '^' {
					i++
					b.WriteByte('^')
				}
				if i+1 < len(pcre) && pcre[i+1] == ']' {
					i++
					b.WriteByte(']')
				}
				continue
			case class && c == '[' && i+1 < len(pcre) && strings.IndexByte(".=", pcre[i+1]) >= 0:
				return "", fmt.Errorf("[%c is %w", pcre[i+1], errNotSimulated)
			case class && strings.HasPrefix(pcre[i:], "[:"):
				if end := strings.Index(pcre[i:], ":]"); end > 0 {
					b.WriteString(pcre[i : i+end+2])
					i += end + 1
					continue
				}
			case !class && c == '{' && i+1 < len(pcre) && strings.IndexByte(", ", pcre[i+1]) >= 0:
				return "", fmt.Errorf("%q is %w", pcre[i:i+2], errNotSimulated)
			}
			b.WriteByte(c)
			continue
		}
		if i++; i == len(pcre) {
			return "", errors.New("it ends with a backslash")
		}
		c = pcre[i]
		switch {
		case c == 's' && class:
			b.WriteString(`\t-\r `)
		case c == 's':
			b.WriteString(`[\t-\r ]`)
		case c == 'S' && !class:
			b.WriteString(`[^\t-\r ]`)
		case c == 'v' && class:
			// Vertical space; PCRE counts NEL, a byte above ASCII, among it.
			b.WriteString("\\n-\\r\uf785")
		case c == 'v':
			b.WriteString("[\\n-\\r\uf785]")
		case c == 'x':
			code, n := hexEscape(pcre[i+1:])
			if n == 0 || code >= 0x80 {
				return "", fmt.Errorf("\\x of a byte outside of ASCII is %w", errNotSimulated)
			}
			fmt.Fprintf(&b, `\x%02x`, code)
			i += n
		case strings.IndexByte(escapes, c) >= 0, !class && strings.IndexByte("bBAz", c) >= 0, !isLetter(c) && !isDigit(c):
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			return "", fmt.Errorf("\\%c is %w", c, errNotSimulated)
		}
	}
	return b.String(), nil
}

// hexEscape reads what follows \x: two digits at most, or any number of them in braces.
func hexEscape(s string) (code, length int) {
	digits, braces := s[:min(2, len(s))], 0
	if strings.HasPrefix(s, "{") {
		end := strings.IndexByte(s, '}')
		if end < 2 {
			return 0, 0
		}
		digits, braces = s[1:end], 2
	}
	for i := range len(digits) {
		if !isHex(digits[i]) {
			if braces > 0 {
				return 0, 0
			}
			digits = digits[:i]
			break
		}
		if code = code<<4 | int(unhex(digits[i])); code > 0x10ffff {
			return 0, 0
		}
	}
	return code, len(digits) + braces
}

// checkOps refuses what is spelled alike and means something else.
func checkOps(re *syntax.Regexp) error {
	switch re.Op {
	case syntax.OpBeginLine, syntax.OpEndLine:
		return fmt.Errorf("the flag m is %w", errNotSimulated)
	case syntax.OpEndText:
		if re.Flags&syntax.WasDollar != 0 {
			return fmt.Errorf("$, which also matches before a last newline, is %w; write \\z", errNotSimulated)
		}
	}
	for _, sub := range re.Sub {
		if err := checkOps(sub); err != nil {
			return err
		}
	}
	return nil
}
