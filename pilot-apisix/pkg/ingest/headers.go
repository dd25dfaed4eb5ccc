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
	"cmp"
	"maps"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// headers reads header operations (TranslateHeadersOperations): for a request and for its response, and what they make of
// the host of the request, which is no header to Envoy.
func (r *routeBuilder) headers(in *networking.Headers, src ir.Source) (out ir.Headers, authority string) {
	if in == nil {
		return out, ""
	}
	out.Request = r.headerOperations(in.Request, src.At("request"), false)
	out.Response = r.headerOperations(in.Response, src.At("response"), true)
	return out, cmp.Or(authorityOf(in.Request.GetSet()), authorityOf(in.Request.GetAdd()))
}

// headerOperations puts the operations into Envoy's order: by name, and what is set before what is added.
func (r *routeBuilder) headerOperations(in *networking.Headers_HeaderOperations, src ir.Source, response bool) ir.HeaderOperations {
	var out ir.HeaderOperations
	for _, name := range in.GetRemove() {
		if !internalHeader(name) {
			out.Remove = append(out.Remove, strings.ToLower(name))
		}
	}
	values := func(headers map[string]string, field string, isAppend bool) {
		for _, name := range slices.Sorted(maps.Keys(headers)) {
			if internalHeader(name) {
				continue
			}
			parts, err := headerValue(headers[name], response)
			if err != nil {
				r.diagnose(fidelity.HeaderNotCarried, src.At(field+"["+name+"]"), "%v", err)
				continue
			}
			out.Values = append(out.Values, ir.HeaderValue{Name: strings.ToLower(name), Value: parts, Append: isAppend})
		}
	}
	values(in.GetSet(), "set", false)
	values(in.GetAdd(), "add", true)
	return out
}

// internalHeader says that Envoy does not let a header be changed (isInternalHeader).
func internalHeader(name string) bool {
	return strings.HasPrefix(name, ":") || strings.EqualFold(name, "host")
}

// authorityOf is the value for the host among headers.
func authorityOf(headers map[string]string) string {
	authority, last := "", ""
	for name, value := range headers {
		// Both names at once pass no validation; the result must not depend on the order of a map all the same.
		if (strings.EqualFold(name, ":authority") || strings.EqualFold(name, "host")) && name >= last {
			authority, last = value, name
		}
	}
	return authority
}
