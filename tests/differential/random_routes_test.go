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

package differential

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	k8s "sigs.k8s.io/gateway-api/apis/v1"
	k8sbeta "sigs.k8s.io/gateway-api/apis/v1beta1"

	"istio.io/istio/pkg/ptr"
)

// services are the scenario's Kubernetes Services.
func (r *random) services() []*corev1.Service {
	var out []*corev1.Service
	for _, o := range r.scenario.objects {
		if o.service != nil {
			out = append(out, o.service)
		}
	}
	return out
}

// kubeRoute is one of the Gateway API, for one or two Services.
func (r *random) kubeRoute() runtime.Object {
	meta := metav1.ObjectMeta{Name: r.name(), Namespace: pick(r, namespaces), CreationTimestamp: metav1.NewTime(born(r.IntN(20)))}
	parents := k8s.CommonRouteSpec{}
	for _, svc := range some(r, r.services(), 2) {
		if !r.maybe(3) {
			meta.Namespace = svc.Namespace
		}
		ref := k8s.ParentReference{
			Group: ptr.Of(k8s.Group("")), Kind: ptr.Of(k8s.Kind("Service")), Name: k8s.ObjectName(svc.Name), Namespace: ptr.Of(k8s.Namespace(svc.Namespace)),
		}
		if r.maybe(2) {
			ref.Port = ptr.Of(pick(r, svc.Spec.Ports).Port)
		}
		parents.ParentRefs = append(parents.ParentRefs, ref)
	}
	switch r.IntN(8) {
	case 0:
		out := &k8s.TCPRoute{ObjectMeta: meta, Spec: k8s.TCPRouteSpec{CommonRouteSpec: parents}}
		for range r.times(1, 2) {
			out.Spec.Rules = append(out.Spec.Rules, k8s.TCPRouteRule{BackendRefs: r.backends()})
		}
		return out
	case 1:
		out := &k8s.TLSRoute{ObjectMeta: meta, Spec: k8s.TLSRouteSpec{CommonRouteSpec: parents}}
		for _, h := range some(r, []string{"a.example", "*.example", "a.default.svc.cluster.local"}, 2) {
			out.Spec.Hostnames = append(out.Spec.Hostnames, k8s.Hostname(h))
		}
		out.Spec.Rules = []k8s.TLSRouteRule{{BackendRefs: r.backends()}}
		return out
	case 2, 3:
		out := &k8s.GRPCRoute{ObjectMeta: meta, Spec: k8s.GRPCRouteSpec{CommonRouteSpec: parents}}
		for range r.times(1, 3) {
			out.Spec.Rules = append(out.Spec.Rules, r.grpcRule())
		}
		return out
	}
	out := &k8s.HTTPRoute{ObjectMeta: meta, Spec: k8s.HTTPRouteSpec{CommonRouteSpec: parents}}
	for range r.times(1, 3) {
		out.Spec.Rules = append(out.Spec.Rules, r.httpRule())
	}
	return out
}

// referenceGrant lets routes of one namespace refer to Services of another one.
func (r *random) referenceGrant() runtime.Object {
	out := &k8sbeta.ReferenceGrant{ObjectMeta: metav1.ObjectMeta{Name: r.name(), Namespace: pick(r, namespaces)}}
	for _, kind := range some(r, []string{"HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute"}, 4) {
		out.Spec.From = append(out.Spec.From, k8sbeta.ReferenceGrantFrom{
			Group: "gateway.networking.k8s.io", Kind: k8s.Kind(kind), Namespace: k8s.Namespace(pick(r, namespaces)),
		})
	}
	to := k8sbeta.ReferenceGrantTo{Kind: "Service"}
	if r.maybe(3) {
		to.Name = ptr.Of(k8s.ObjectName("a"))
	}
	out.Spec.To = []k8sbeta.ReferenceGrantTo{to}
	return out
}

func (r *random) httpRule() k8s.HTTPRouteRule {
	var out k8s.HTTPRouteRule
	for range r.times(0, 3) {
		out.Matches = append(out.Matches, r.kubeMatch())
	}
	if len(out.Matches) == 0 {
		// An API server's default.
		out.Matches = []k8s.HTTPRouteMatch{{Path: kubePath(k8s.PathMatchPathPrefix, "/")}}
	}
	if !r.maybe(8) {
		for _, b := range r.backends() {
			ref := k8s.HTTPBackendRef{BackendRef: b}
			if r.maybe(6) {
				ref.Filters = []k8s.HTTPRouteFilter{r.headerFilter()}
			}
			out.BackendRefs = append(out.BackendRefs, ref)
		}
	}
	for range r.times(0, 2) {
		out.Filters = append(out.Filters, r.kubeFilter())
	}
	if r.maybe(5) {
		out.Timeouts = &k8s.HTTPRouteTimeouts{Request: ptr.Of(k8s.Duration("2s"))}
		if r.maybe(2) {
			out.Timeouts.BackendRequest = ptr.Of(k8s.Duration("1s"))
		}
	}
	if r.maybe(6) {
		out.Retry = &k8s.HTTPRouteRetry{Attempts: ptr.Of(r.IntN(4)), Codes: pick(r, [][]k8s.HTTPRouteRetryStatusCode{nil, {503}, {500, 504}})}
		if r.maybe(2) {
			out.Retry.Backoff = ptr.Of(k8s.Duration("100ms"))
		}
	}
	return out
}

func kubePath(kind k8s.PathMatchType, value string) *k8s.HTTPPathMatch {
	return &k8s.HTTPPathMatch{Type: &kind, Value: &value}
}

// kubePaths are those that the API server takes.
var kubePaths = []string{"/", "/a", "/a/", "/a/b", "/api", "/api/v1", "/A", "/x.y", "/users", "/a:b"}

func (r *random) kubeMatch() k8s.HTTPRouteMatch {
	out := k8s.HTTPRouteMatch{Path: kubePath(k8s.PathMatchPathPrefix, "/")}
	switch r.IntN(4) {
	case 0:
		out.Path = kubePath(k8s.PathMatchExact, pick(r, kubePaths))
	case 1, 2:
		out.Path = kubePath(k8s.PathMatchPathPrefix, pick(r, kubePaths))
	default:
		if r.maybe(2) {
			out.Path = kubePath(k8s.PathMatchRegularExpression, pick(r, pathRegexes))
		}
	}
	if r.maybe(4) {
		kind, value := k8s.HeaderMatchExact, pick(r, []string{"v", "jason", "a,b"})
		if r.maybe(2) {
			kind, value = k8s.HeaderMatchRegularExpression, pick(r, valueRegexes)
		}
		out.Headers = append(out.Headers, k8s.HTTPHeaderMatch{Type: &kind, Name: k8s.HTTPHeaderName(pick(r, []string{"x-a", "X-Case", "end-user"})), Value: value})
	}
	if r.maybe(5) {
		kind, value := k8s.QueryParamMatchExact, pick(r, []string{"v", "1"})
		if r.maybe(2) {
			kind, value = k8s.QueryParamMatchRegularExpression, pick(r, valueRegexes)
		}
		out.QueryParams = append(out.QueryParams, k8s.HTTPQueryParamMatch{Type: &kind, Name: k8s.HTTPHeaderName(pick(r, queryNames)), Value: value})
	}
	if r.maybe(6) {
		out.Method = ptr.Of(k8s.HTTPMethod(pick(r, methods)))
	}
	return out
}

func (r *random) grpcRule() k8s.GRPCRouteRule {
	var out k8s.GRPCRouteRule
	for range r.times(0, 2) {
		m := k8s.GRPCRouteMatch{}
		if !r.maybe(4) {
			kind := pick(r, []k8s.GRPCMethodMatchType{k8s.GRPCMethodMatchExact, k8s.GRPCMethodMatchExact, k8s.GRPCMethodMatchRegularExpression})
			m.Method = &k8s.GRPCMethodMatch{Type: &kind}
			if !r.maybe(4) {
				m.Method.Service = ptr.Of(pick(r, []string{"a", "api", "x.y"}))
			}
			if m.Method.Service == nil || !r.maybe(2) {
				m.Method.Method = ptr.Of(pick(r, []string{"b", "v1"}))
			}
		}
		if r.maybe(4) {
			kind := k8s.GRPCHeaderMatchExact
			m.Headers = append(m.Headers, k8s.GRPCHeaderMatch{Type: &kind, Name: "x-a", Value: "v"})
		}
		out.Matches = append(out.Matches, m)
	}
	for _, b := range r.backends() {
		out.BackendRefs = append(out.BackendRefs, k8s.GRPCBackendRef{BackendRef: b})
	}
	if r.maybe(3) {
		f := r.headerFilter()
		out.Filters = append(out.Filters, k8s.GRPCRouteFilter{
			Type: k8s.GRPCRouteFilterType(f.Type), RequestHeaderModifier: f.RequestHeaderModifier, ResponseHeaderModifier: f.ResponseHeaderModifier,
		})
	}
	return out
}

// backends are Services with their weights: of any namespace, and some that there are not.
func (r *random) backends() []k8s.BackendRef {
	var out []k8s.BackendRef
	for range r.times(1, 3) {
		ref := k8s.BackendRef{BackendObjectReference: r.backend(), Weight: ptr.Of(pick(r, []int32{1, 1, 0, 10, 50}))}
		out = append(out, ref)
	}
	return out
}

func (r *random) backend() k8s.BackendObjectReference {
	svc := pick(r, r.services())
	ref := k8s.BackendObjectReference{
		Group: ptr.Of(k8s.Group("")), Kind: ptr.Of(k8s.Kind("Service")), Name: k8s.ObjectName(svc.Name),
		Namespace: ptr.Of(k8s.Namespace(svc.Namespace)), Port: ptr.Of(pick(r, svc.Spec.Ports).Port),
	}
	switch r.IntN(12) {
	case 0:
		ref.Name = "nowhere"
	case 1:
		ref.Port = ptr.Of(int32(4321))
	case 2:
		ref.Group, ref.Kind, ref.Namespace = ptr.Of(k8s.Group("networking.istio.io")), ptr.Of(k8s.Kind("Hostname")), nil
		ref.Name, ref.Port = k8s.ObjectName(pick(r, serviceHosts)), ptr.Of(int32(80))
	case 3:
		ref.Namespace = nil
	}
	return ref
}

func (r *random) headerFilter() k8s.HTTPRouteFilter {
	h := &k8s.HTTPHeaderFilter{}
	name := func() k8s.HTTPHeaderName { return k8s.HTTPHeaderName(pick(r, []string{"x-a", "X-New", "user-agent"})) }
	if r.maybe(2) {
		h.Set = []k8s.HTTPHeader{{Name: name(), Value: pick(r, changedValues)}}
	}
	if r.maybe(2) {
		h.Add = []k8s.HTTPHeader{{Name: name(), Value: pick(r, changedValues)}}
	}
	if len(h.Set)+len(h.Add) == 0 || r.maybe(3) {
		h.Remove = []string{string(name())}
	}
	if r.maybe(3) {
		return k8s.HTTPRouteFilter{Type: k8s.HTTPRouteFilterResponseHeaderModifier, ResponseHeaderModifier: h}
	}
	return k8s.HTTPRouteFilter{Type: k8s.HTTPRouteFilterRequestHeaderModifier, RequestHeaderModifier: h}
}

func (r *random) kubeFilter() k8s.HTTPRouteFilter {
	switch r.IntN(6) {
	case 0:
		f := &k8s.HTTPRequestRedirectFilter{Path: r.pathModifier()}
		if r.maybe(2) {
			f.Scheme = ptr.Of(pick(r, []string{"http", "https"}))
		}
		if r.maybe(2) {
			f.Hostname = ptr.Of(k8s.PreciseHostname("elsewhere.example"))
		}
		if r.maybe(3) {
			f.Port = ptr.Of(int32(8443))
		}
		if r.maybe(2) {
			f.StatusCode = ptr.Of(pick(r, []int{301, 302, 303, 307, 308}))
		}
		return k8s.HTTPRouteFilter{Type: k8s.HTTPRouteFilterRequestRedirect, RequestRedirect: f}
	case 1:
		f := &k8s.HTTPURLRewriteFilter{Path: r.pathModifier()}
		if f.Path == nil || r.maybe(2) {
			f.Hostname = ptr.Of(k8s.PreciseHostname("rewritten.example"))
		}
		return k8s.HTTPRouteFilter{Type: k8s.HTTPRouteFilterURLRewrite, URLRewrite: f}
	case 2:
		f := &k8s.HTTPRequestMirrorFilter{BackendRef: r.backend()}
		if r.maybe(2) {
			f.Percent = ptr.Of(int32(r.IntN(3) * 50))
		}
		return k8s.HTTPRouteFilter{Type: k8s.HTTPRouteFilterRequestMirror, RequestMirror: f}
	case 3:
		return k8s.HTTPRouteFilter{Type: k8s.HTTPRouteFilterCORS, CORS: &k8s.HTTPCORSFilter{
			AllowOrigins: pick(r, [][]k8s.CORSOrigin{{"*"}, {"https://a.example"}, {"https://*.example"}}), AllowCredentials: ptr.Of(r.maybe(2)),
			AllowMethods: pick(r, [][]k8s.HTTPMethodWithWildcard{nil, {"GET"}, {"*"}}), AllowHeaders: pick(r, [][]k8s.HTTPHeaderName{nil, {"x-a"}, {"*"}}),
			MaxAge: pick(r, []int32{0, 5}),
		}}
	}
	return r.headerFilter()
}

func (r *random) pathModifier() *k8s.HTTPPathModifier {
	to := pick(r, []string{"/", "/new", "/new/", "/"})
	switch r.IntN(3) {
	case 0:
		return &k8s.HTTPPathModifier{Type: k8s.FullPathHTTPPathModifier, ReplaceFullPath: &to}
	case 1:
		return &k8s.HTTPPathModifier{Type: k8s.PrefixMatchHTTPPathModifier, ReplacePrefixMatch: &to}
	}
	return nil
}
