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
	"regexp"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

var validScheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*$`)

const maxPort = 65535

func (t *translator) redirect(r *ir.Route) apisix.Plugin {
	d := r.Redirect
	if d.Scheme != "" && !validScheme.MatchString(d.Scheme) || d.Port < 0 || d.Port > maxPort {
		t.diagnose(fidelity.RedirectRefused, r.Source.At("redirect"), "scheme %q, port %d", d.Scheme, d.Port)
		return respond(http.StatusNotImplemented)
	}
	return &apisix.MeshRedirect{
		Code: d.Code, Scheme: d.Scheme, Authority: d.Authority, Port: d.Port, Path: d.Path, PrefixRewrite: prefixRewrite(d.Prefix),
	}
}

func prefixRewrite(p *ir.PrefixRewrite) *apisix.PrefixRewrite {
	if p == nil {
		return nil
	}
	return &apisix.PrefixRewrite{Prefix: p.Prefix, Rewrite: p.Replacement}
}
