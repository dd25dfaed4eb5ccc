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

package configdir

import (
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"istio.io/istio/pkg/ptr"
)

// What follows are the defaults and the demands of the Gateway API's own resource definitions (the kubebuilder marks of its
// types), as far as Istio counts on them.

func setDefault[T any](field **T, value T) {
	if *field == nil {
		*field = ptr.Of(value)
	}
}

func (it *item) completeHTTPRoute(r *gatewayv1.HTTPRoute) {
	completeParents(r.Spec.ParentRefs)
	if len(r.Spec.Rules) == 0 {
		r.Spec.Rules = []gatewayv1.HTTPRouteRule{{}}
	}
	for i := range r.Spec.Rules {
		rule := &r.Spec.Rules[i]
		at := fieldPath{"spec", "rules", i}
		if len(rule.Matches) == 0 {
			rule.Matches = []gatewayv1.HTTPRouteMatch{{}}
		}
		for j := range rule.Matches {
			m := &rule.Matches[j]
			setDefault(&m.Path, gatewayv1.HTTPPathMatch{})
			setDefault(&m.Path.Type, gatewayv1.PathMatchPathPrefix)
			setDefault(&m.Path.Value, "/")
			for k := range m.Headers {
				setDefault(&m.Headers[k].Type, gatewayv1.HeaderMatchExact)
			}
			for k := range m.QueryParams {
				setDefault(&m.QueryParams[k].Type, gatewayv1.QueryParamMatchExact)
			}
		}
		it.checkHTTPFilters(append(at[:len(at):len(at)], "filters"), rule.Filters)
		for j := range rule.BackendRefs {
			b := &rule.BackendRefs[j]
			completeBackend(&b.BackendRef)
			it.checkHTTPFilters(append(at[:len(at):len(at)], "backendRefs", j, "filters"), b.Filters)
		}
	}
}

func (it *item) completeGRPCRoute(r *gatewayv1.GRPCRoute) {
	completeParents(r.Spec.ParentRefs)
	for i := range r.Spec.Rules {
		rule := &r.Spec.Rules[i]
		at := fieldPath{"spec", "rules", i}
		for j := range rule.Matches {
			m := &rule.Matches[j]
			if m.Method != nil {
				setDefault(&m.Method.Type, gatewayv1.GRPCMethodMatchExact)
			}
			for k := range m.Headers {
				setDefault(&m.Headers[k].Type, gatewayv1.GRPCHeaderMatchExact)
			}
		}
		it.checkGRPCFilters(append(at[:len(at):len(at)], "filters"), rule.Filters)
		for j := range rule.BackendRefs {
			b := &rule.BackendRefs[j]
			completeBackend(&b.BackendRef)
			it.checkGRPCFilters(append(at[:len(at):len(at)], "backendRefs", j, "filters"), b.Filters)
		}
	}
}

func completeTCPRoute(r *gatewayv1.TCPRoute) {
	completeParents(r.Spec.ParentRefs)
	for i := range r.Spec.Rules {
		completeBackends(r.Spec.Rules[i].BackendRefs)
	}
}

func completeTLSRoute(r *gatewayv1.TLSRoute) {
	completeParents(r.Spec.ParentRefs)
	for i := range r.Spec.Rules {
		completeBackends(r.Spec.Rules[i].BackendRefs)
	}
}

func completeBackends(list []gatewayv1.BackendRef) {
	for i := range list {
		completeBackend(&list[i])
	}
}

func completeParents(parents []gatewayv1.ParentReference) {
	for i := range parents {
		setDefault(&parents[i].Group, gatewayv1.GroupName)
		setDefault(&parents[i].Kind, "Gateway")
	}
}

func completeBackend(b *gatewayv1.BackendRef) {
	setDefault(&b.Group, "")
	setDefault(&b.Kind, "Service")
	setDefault(&b.Weight, 1)
}

// checkHTTPFilters refuses filters without what their type says.
func (it *item) checkHTTPFilters(at fieldPath, filters []gatewayv1.HTTPRouteFilter) {
	for i := range filters {
		f := &filters[i]
		switch f.Type {
		case gatewayv1.HTTPRouteFilterRequestHeaderModifier:
			it.needs(at, i, "requestHeaderModifier", f.RequestHeaderModifier != nil)
		case gatewayv1.HTTPRouteFilterResponseHeaderModifier:
			it.needs(at, i, "responseHeaderModifier", f.ResponseHeaderModifier != nil)
		case gatewayv1.HTTPRouteFilterRequestRedirect:
			it.needs(at, i, "requestRedirect", f.RequestRedirect != nil)
		case gatewayv1.HTTPRouteFilterURLRewrite:
			it.needs(at, i, "urlRewrite", f.URLRewrite != nil)
		case gatewayv1.HTTPRouteFilterRequestMirror:
			it.needs(at, i, "requestMirror", f.RequestMirror != nil)
		case gatewayv1.HTTPRouteFilterCORS:
			it.needs(at, i, "cors", f.CORS != nil)
		case gatewayv1.HTTPRouteFilterExtensionRef:
			it.needs(at, i, "extensionRef", f.ExtensionRef != nil)
		}
	}
}

// checkGRPCFilters does the same: what a GRPCRoute's filter has, an HTTPRoute's has under the same names.
func (it *item) checkGRPCFilters(at fieldPath, filters []gatewayv1.GRPCRouteFilter) {
	same := make([]gatewayv1.HTTPRouteFilter, len(filters))
	for i := range filters {
		f := &filters[i]
		same[i] = gatewayv1.HTTPRouteFilter{
			Type: gatewayv1.HTTPRouteFilterType(f.Type), RequestHeaderModifier: f.RequestHeaderModifier,
			ResponseHeaderModifier: f.ResponseHeaderModifier, RequestMirror: f.RequestMirror, ExtensionRef: f.ExtensionRef,
		}
	}
	it.checkHTTPFilters(at, same)
}

func (it *item) needs(filters fieldPath, i int, field string, has bool) {
	if !has {
		at := append(filters[:len(filters):len(filters)], i)
		it.refuse(lineOf(it.node, at), "%s: a filter of that type needs the field %s", at, field)
	}
}
