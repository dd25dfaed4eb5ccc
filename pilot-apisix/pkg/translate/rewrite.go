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
	"net/http"
	"regexp/syntax"
	"strings"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// rewrite changes path and host on the way to the destination. When the expression cannot be carried the requests are
// answered in place of being sent to a path that nobody meant.
func (t *translator) rewrite(r *ir.Route) (plugin apisix.Plugin, ok bool) {
	if r.Rewrite == nil {
		return nil, true
	}
	out := &apisix.MeshRewrite{URI: prefixRewrite(r.Rewrite.Prefix), Authority: r.Rewrite.Authority}
	if re := r.Rewrite.Regex; re != nil {
		pcre, err := portablePCRE(re.Pattern)
		if err != nil {
			t.diagnose(fidelity.RewriteRegexRefused, r.Source.At("rewrite.uriRegexRewrite.match"), "%q: %v", re.Pattern, err)
			return respond(http.StatusNotImplemented), false
		}
		// RE2 replaces nothing when the substitution names a group that there is not.
		if text, highest := substitution(re.Substitution); highest <= groups(re.Pattern) {
			out.Regex = &apisix.RegexRewrite{Pattern: pcre, Substitution: text}
		}
	}
	if p := r.Rewrite.Prefix; p != nil && !strings.HasPrefix(p.Replacement, "/") {
		t.diagnose(fidelity.RewriteWithoutSlash, r.Source.At("rewrite.uri"), "%q", p.Replacement)
	}
	if re := out.Regex; re != nil && !strings.HasPrefix(re.Substitution, "/") && mayMatchSlash(re.Pattern) {
		t.diagnose(fidelity.RewriteWithoutSlash, r.Source.At("rewrite.uriRegexRewrite.rewrite"), "%q", r.Rewrite.Regex.Substitution)
	}
	if *out == (apisix.MeshRewrite{}) {
		return nil, true
	}
	return out, true
}

// mayMatchSlash says that an expression looks as if it could match the slash at the beginning of a path.
func mayMatchSlash(pcre string) bool {
	pcre = strings.TrimPrefix(strings.TrimPrefix(pcre, "^"), `\A`)
	return pcre == "" || strings.ContainsRune("/(.[", rune(pcre[0]))
}

// groups is the number of an RE2 expression's groups.
func groups(re2 string) int {
	re, err := syntax.Parse(re2, syntax.Perl)
	if err != nil {
		return 0
	}
	return re.MaxCap()
}

// substitution turns RE2's "\1" into "${1}" as ngx.re has it, and gives the highest group that is named.
func substitution(re2 string) (text string, highest int) {
	var b strings.Builder
	for i := 0; i < len(re2); i++ {
		switch c := re2[i]; {
		case c == '$':
			b.WriteString("$$")
		case c == '\\' && i+1 < len(re2):
			i++
			if d := re2[i]; d >= '0' && d <= '9' {
				b.WriteString("${" + string(d) + "}")
				highest = max(highest, int(d-'0'))
			} else {
				b.WriteByte(d)
			}
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), highest
}
