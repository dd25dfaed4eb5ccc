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
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// headers changes the headers of a route's requests and responses, or is nil.
func (t *translator) headers(r *ir.Route) apisix.Plugin {
	if r.Headers.Empty() {
		return nil
	}
	out := &apisix.MeshHeaders{Request: t.requestHeaders(&r.Headers, r), Response: t.responseHeaders(&r.Headers, r)}
	if out.Request.Empty() && out.Response.Empty() {
		return nil
	}
	return out
}

func (t *translator) requestHeaders(h *ir.Headers, r *ir.Route) apisix.HeaderOperations {
	return t.operations(&h.Request, r, requestVariable)
}

// responseHeaders see the request as it was forwarded.
func (t *translator) responseHeaders(h *ir.Headers, r *ir.Route) apisix.HeaderOperations {
	rewritten := r.Rewrite != nil && (r.Rewrite.Prefix != nil || r.Rewrite.Regex != nil)
	return t.operations(&h.Response, r, func(p ir.ValuePart) string {
		switch {
		case p.Variable == ir.RequestPath && rewritten:
			return "upstream_uri"
		case p.Variable == ir.RequestAuthority:
			return "upstream_host"
		}
		return requestVariable(p)
	})
}

// operations leaves out what no header is called; such a name passes no validation of Istio's.
func (t *translator) operations(o *ir.HeaderOperations, r *ir.Route, variable func(ir.ValuePart) string) apisix.HeaderOperations {
	var out apisix.HeaderOperations
	valid := func(name string) bool {
		if !httpguts.ValidHeaderFieldName(name) {
			t.diagnose(fidelity.HeaderNotCarried, r.Source, "%q", name)
			return false
		}
		return true
	}
	for _, name := range o.Remove {
		if valid(name) {
			out.Remove = append(out.Remove, name)
		}
	}
	for _, v := range o.Values {
		if valid(v.Name) {
			out.Values = append(out.Values, apisix.HeaderValue{Name: v.Name, Value: valueParts(v.Value, variable), Append: v.Append})
		}
	}
	return out
}

func valueParts(parts []ir.ValuePart, variable func(ir.ValuePart) string) []apisix.ValuePart {
	out := make([]apisix.ValuePart, 0, len(parts))
	for _, p := range parts {
		if p.Variable == ir.NoVariable {
			out = appendLiteral(out, p.Literal)
		} else {
			out = append(out, apisix.ValuePart{Var: variable(p)})
		}
	}
	return out
}

// appendLiteral cuts a text that begins with "$": APISIX takes "$env://…" and "$secret://…" anywhere in the configuration of a
// plugin for references to secrets.
func appendLiteral(out []apisix.ValuePart, text string) []apisix.ValuePart {
	if rest, cut := strings.CutPrefix(text, "$"); cut && rest != "" {
		return append(out, apisix.ValuePart{Literal: "$"}, apisix.ValuePart{Literal: rest})
	}
	return append(out, apisix.ValuePart{Literal: text})
}

// requestVariable is where nginx or APISIX has what p stands for.
func requestVariable(p ir.ValuePart) string {
	switch p.Variable {
	case ir.RequestHeader:
		return headerVar(p.Name)
	case ir.ResponseHeader:
		return "sent_http_" + strings.ReplaceAll(p.Name, "-", "_")
	case ir.RequestMethod:
		return varMethod
	case ir.RequestPath:
		return varRequestTarget
	case ir.RequestAuthority:
		return varAuthority
	case ir.RequestScheme:
		return varScheme
	case ir.RemoteAddress:
		return "remote_addr"
	case ir.RemotePort:
		return "remote_port"
	case ir.OriginalDestination:
		return "connection_original_dst"
	case ir.UpstreamAddress:
		return "upstream_addr"
	case ir.ResponseStatus:
		return "status"
	default: // ir.Hostname
		return "hostname"
	}
}
