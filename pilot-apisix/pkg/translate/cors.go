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
	"strconv"
	"strings"
	"time"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// cors answers preflights and adds the headers of a cross-origin policy, or is nil. An origin whose expression cannot be
// carried is not allowed.
func (t *translator) cors(r *ir.Route) apisix.Plugin {
	c := r.CORS
	if c == nil {
		return nil
	}
	out := &apisix.MeshCORS{
		AllowOrigins:              make([]apisix.OriginMatch, 0, len(c.AllowOrigins)),
		AllowMethods:              strings.Join(c.AllowMethods, ","),
		AllowHeaders:              strings.Join(c.AllowHeaders, ","),
		ExposeHeaders:             strings.Join(c.ExposeHeaders, ","),
		AllowCredentials:          c.AllowCredentials,
		AnswerUnmatchedPreflights: c.AnswerUnmatchedPreflights,
	}
	if c.MaxAge != nil {
		out.MaxAge = strconv.FormatInt(int64(*c.MaxAge/time.Second), 10)
	}
	for i := range c.AllowOrigins {
		o := &c.AllowOrigins[i]
		switch o.Kind {
		case ir.MatchExact:
			out.AllowOrigins = append(out.AllowOrigins, apisix.OriginMatch{Exact: &o.Value})
		case ir.MatchPrefix, ir.MatchPathPrefix:
			out.AllowOrigins = append(out.AllowOrigins, apisix.OriginMatch{Prefix: &o.Value})
		case ir.MatchPresent:
			everything := ""
			out.AllowOrigins = append(out.AllowOrigins, apisix.OriginMatch{Prefix: &everything})
		case ir.MatchRegex:
			pcre, err := fullMatchPCRE(o.Value)
			if err != nil {
				t.diagnose(fidelity.CORSOriginNotCarried, r.Source.At("corsPolicy.allowOrigins["+strconv.Itoa(i)+"]"), "%q: %v", o.Value, err)
				continue
			}
			out.AllowOrigins = append(out.AllowOrigins, apisix.OriginMatch{Regex: pcre})
		}
	}
	return out
}
