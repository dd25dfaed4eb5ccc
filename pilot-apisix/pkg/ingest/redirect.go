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
	"net/http"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// redirect reads where a rule sends its clients (ApplyRedirect).
func (r *routeBuilder) redirect(route *ir.Route, in *networking.HTTPRedirect, src ir.Source) {
	out := &ir.Redirect{Code: int(in.RedirectCode), Scheme: in.Scheme, Authority: in.Authority}
	switch out.Code {
	case 0:
		out.Code = http.StatusMovedPermanently
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		r.diagnose(fidelity.RedirectRefused, src.At("redirectCode"), "%d", in.RedirectCode)
		route.DirectResponse = &ir.DirectResponse{Status: http.StatusNotImplemented}
		return
	}
	if in.PrefixRewrite != "" {
		out.Prefix = &ir.PrefixRewrite{Prefix: matchedPrefix(&route.Match), Replacement: in.PrefixRewrite}
	} else {
		out.Path = in.Uri
	}
	switch port := in.RedirectPort.(type) {
	case *networking.HTTPRedirect_DerivePort:
		if port.DerivePort == networking.HTTPRedirect_FROM_REQUEST_PORT {
			out.Port = r.port
		}
	case *networking.HTTPRedirect_Port:
		out.Port = int(port.Port)
	}
	// A scheme's own port is not spelled out.
	scheme := out.Scheme
	if scheme == "" && r.tls {
		scheme = "https"
	}
	if in.RedirectPort != nil && (out.Port == 80 && scheme != "https" || out.Port == 443 && scheme == "https") {
		out.Port = 0
	}
	route.Redirect = out
}

// matchedPrefix is the part of the path that Envoy takes for matched, and replaces: the prefix, or the whole path after
// any other match, which is the empty string here.
func matchedPrefix(m *ir.Match) string {
	switch {
	case m.Path == nil:
		return "/"
	case m.Path.Kind == ir.MatchPrefix, m.Path.Kind == ir.MatchPathPrefix:
		return m.Path.Value
	}
	return ""
}
