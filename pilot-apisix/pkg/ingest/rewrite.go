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

package ingest

import (
	"regexp"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/model"

	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// rewrite reads what a rule changes of path and host; never nil.
func (r *routeBuilder) rewrite(in *networking.HTTPRewrite, m *ir.Match) *ir.Rewrite {
	out := &ir.Rewrite{Authority: in.GetAuthority()}
	if re := in.GetUriRegexRewrite(); re != nil {
		out.Regex = &ir.RegexRewrite{Pattern: re.Match, Substitution: re.Rewrite}
	} else if uri := in.GetUri(); uri != "" {
		if model.UseGatewaySemantics(*r.vs) && uri == "/" {
			// The prefix goes, and a "/" stays.
			prefix := ""
			if m.Path != nil && m.Path.Kind == ir.MatchPathPrefix {
				prefix = m.Path.Value
			}
			out.Regex = &ir.RegexRewrite{Pattern: "^" + regexp.QuoteMeta(prefix) + "(/?)(.*)", Substitution: `/\2`}
		} else {
			out.Prefix = &ir.PrefixRewrite{Prefix: matchedPrefix(m), Replacement: uri}
		}
	}
	return out
}
