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

import "testing"

func TestFullMatchPCRE(t *testing.T) {
	for _, tt := range []struct{ re2, want string }{
		{"abc", `^(?:abc)\z`},
		{"a|b", `^(?:[ab])\z`},
		{"on|off", `^(?:o(?:n|ff))\z`},
		{`/v\d+`, `^(?:/v[0-9]+)\z`},
		{`\s`, `^(?:[\t\n\f\r ])\z`},
		{`a.b`, `^(?:(?-s:a.b))\z`},
		{`(?s).*`, `^(?:(?s:.*))\z`},
		{`[^/]+`, `^(?:[^/]+)\z`},
		{`(?i)abc`, `^(?:(?i:ABC))\z`},
		{`(?i)[a-z]`, `^(?:[A-Za-z])\z`},
		{`^/x$`, `^(?:\A/x\z)\z`},
		{`\Qa.b\E`, `^(?:a\.b)\z`},
		{`(?P<n>a)`, `^(?:(?P<n>a))\z`},
		{`a{2,3}?`, `^(?:a{2,3}?)\z`},
		{`\\x80`, `^(?:\\x80)\z`},
		{`\x7f`, `^(?:\x7f)\z`},
		{`\x41`, `^(?:A)\z`},
		{``, `^(?:(?:))\z`},
		{`a\vb[\v]`, `^(?:a\x0bb\x0b)\z`},
		{`\\v`, `^(?:\\v)\z`},
	} {
		got, err := fullMatchPCRE(tt.re2)
		if err != nil || got != tt.want {
			t.Errorf("%q becomes %q, %v, want %q", tt.re2, got, err, tt.want)
		}
	}
	for _, bad := range []string{`(`, `*`, `\pL`, `é`, `[à-ü]`, `\x{100}`, `\x{80}`, `[[:^ascii:]]`, `(?=a)`, `\1`, `(?m)^a`, `a(?m:$)b`} {
		if got, err := fullMatchPCRE(bad); err == nil {
			t.Errorf("%q must be refused, and becomes %q", bad, got)
		}
	}
}
