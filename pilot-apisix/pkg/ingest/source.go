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
	"strconv"
	"strings"

	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/constants"

	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// virtualServiceSource is the object that somebody wrote: the VirtualService itself, or the one route of the Gateway API that
// Istio made it from.
func virtualServiceSource(vs *config.Config) ir.Source {
	if parents := routeParents(vs); len(parents) == 1 {
		return parents[0]
	}
	return ir.Source{Kind: vs.GroupVersionKind.Kind, Namespace: vs.Namespace, Name: vs.Name}
}

// ruleSource is the part of an object that the HTTP rule at position i was made from. Istio sorts the rules of the Gateway API's
// routes, and names those that have no name after their place.
func ruleSource(vs *config.Config, i int, name string) ir.Source {
	parents := routeParents(vs)
	if len(parents) == 0 {
		return virtualServiceSource(vs).At("spec.http[" + strconv.Itoa(i) + "]")
	}
	for _, p := range parents {
		if position, ok := strings.CutPrefix(name, p.Namespace+"."+p.Name+"."); ok {
			if _, err := strconv.Atoi(position); err == nil {
				return p.At("spec.rules[" + position + "]")
			}
		}
	}
	return virtualServiceSource(vs)
}

// destinationSource is the destination at position i of the rule that src is.
func (r *routeBuilder) destinationSource(src ir.Source, i int) ir.Source {
	field := "route"
	if model.UseGatewaySemantics(*r.vs) {
		field = "backendRefs"
	}
	return src.At(field + "[" + strconv.Itoa(i) + "]")
}

// routeParents are the routes of the Gateway API that vs was made from; none for one that somebody wrote.
func routeParents(vs *config.Config) []ir.Source {
	if !model.UseGatewaySemantics(*vs) {
		return nil
	}
	var out []ir.Source
	for parent := range strings.SplitSeq(vs.Annotations[constants.InternalParentNames], ",") {
		kind, object, ok := strings.Cut(parent, "/")
		if dot := strings.LastIndexByte(object, '.'); ok && dot > 0 {
			out = append(out, ir.Source{Kind: kind, Namespace: object[dot+1:], Name: object[:dot]})
		}
	}
	return out
}
