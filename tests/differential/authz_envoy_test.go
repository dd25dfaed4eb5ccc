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
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	rbachttp "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	rbactcp "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/rbac/v3"
	uritemplate "github.com/envoyproxy/go-control-plane/envoy/extensions/path/match/uri_template/v3"
	matcher "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	meshconfig "istio.io/api/mesh/v1alpha1"
	istionetworking "istio.io/istio/pilot/pkg/networking"
	"istio.io/istio/pilot/pkg/networking/plugin/authz"
)

// rbacFilters are the RBAC filters that istiod makes for Envoy, evaluated as source/extensions/filters/common/rbac has it. There is
// nothing clever here: regular expressions are what Envoy's RE2 takes, and every matcher is looked at.
type rbacFilters struct {
	http, tcp     []*rbacv3.RBAC
	normalization meshconfig.MeshConfig_ProxyPathNormalization_NormalizationType
}

func newRBACFilters(t *testing.T, s *rbacScenario) *rbacFilters {
	t.Helper()
	push := s.sides.env.PushContext()
	out := &rbacFilters{normalization: s.normalization()}
	b := authz.NewBuilder(authz.Local, push, s.sides.proxy, false)
	for _, f := range b.BuildHTTP(istionetworking.ListenerClassSidecarInbound) {
		m := &rbachttp.RBAC{}
		if err := f.GetTypedConfig().UnmarshalTo(m); err != nil {
			t.Fatal(err)
		}
		out.http = append(out.http, m.Rules)
	}
	for _, f := range b.BuildTCP() {
		m := &rbactcp.RBAC{}
		if err := f.GetTypedConfig().UnmarshalTo(m); err != nil {
			t.Fatal(err)
		}
		out.tcp = append(out.tcp, m.Rules)
	}
	return out
}

func (f *rbacFilters) decide(c *rbacCall) rbacDecision {
	e := rbacEvaluator{call: c}
	filters := f.tcp
	if !c.TCP {
		filters = f.http
		path, query, hasQuery := strings.Cut(c.Path, "?")
		e.path = envoyPath(path, f.normalization)
		e.target = e.path
		if hasQuery {
			e.target += "?" + query
		}
	}
	d := rbacDecision{allowed: true, path: e.target}
	for _, rules := range filters {
		if rules == nil || rules.Action == rbacv3.RBAC_LOG {
			continue
		}
		matched := ""
		for name, p := range rules.Policies {
			if e.policy(p) {
				matched = name
			}
		}
		switch {
		case rules.Action == rbacv3.RBAC_DENY && matched != "":
			return rbacDecision{why: matched}
		case rules.Action == rbacv3.RBAC_ALLOW && matched == "":
			return rbacDecision{why: "no policy allows it"}
		}
	}
	return d
}

type rbacEvaluator struct {
	call *rbacCall
	// path is normalised and without query, target with it.
	path, target string
}

func (e *rbacEvaluator) policy(p *rbacv3.Policy) bool {
	permitted, principal := false, false
	for _, r := range p.Permissions {
		permitted = permitted || e.permission(r)
	}
	for _, r := range p.Principals {
		principal = principal || e.principal(r)
	}
	return permitted && principal
}

func (e *rbacEvaluator) permission(p *rbacv3.Permission) bool {
	switch r := p.Rule.(type) {
	case *rbacv3.Permission_Any:
		return r.Any
	case *rbacv3.Permission_AndRules:
		for _, p := range r.AndRules.Rules {
			if !e.permission(p) {
				return false
			}
		}
		return true
	case *rbacv3.Permission_OrRules:
		for _, p := range r.OrRules.Rules {
			if e.permission(p) {
				return true
			}
		}
		return false
	case *rbacv3.Permission_NotRule:
		return !e.permission(r.NotRule)
	case *rbacv3.Permission_Header:
		return e.header(r.Header)
	case *rbacv3.Permission_UrlPath:
		return stringMatches(r.UrlPath.GetPath(), e.path)
	case *rbacv3.Permission_UriTemplate:
		m := &uritemplate.UriTemplateMatchConfig{}
		if err := r.UriTemplate.TypedConfig.UnmarshalTo(m); err != nil {
			panic(err)
		}
		return fullMatch(templateRegex(m.PathTemplate), e.path)
	case *rbacv3.Permission_DestinationIp:
		return inRange(r.DestinationIp, netip.MustParseAddrPort(e.call.Dest).Addr())
	case *rbacv3.Permission_DestinationPort:
		return int(r.DestinationPort) == e.call.Port
	case *rbacv3.Permission_RequestedServerName:
		return stringMatches(r.RequestedServerName, strings.ToLower(e.call.SNI))
	case *rbacv3.Permission_Metadata:
		return false
	}
	panic(fmt.Sprintf("a permission of type %T", p.Rule))
}

func (e *rbacEvaluator) principal(p *rbacv3.Principal) bool {
	switch r := p.Identifier.(type) {
	case *rbacv3.Principal_Any:
		return r.Any
	case *rbacv3.Principal_AndIds:
		for _, p := range r.AndIds.Ids {
			if !e.principal(p) {
				return false
			}
		}
		return true
	case *rbacv3.Principal_OrIds:
		for _, p := range r.OrIds.Ids {
			if e.principal(p) {
				return true
			}
		}
		return false
	case *rbacv3.Principal_NotId:
		return !e.principal(r.NotId)
	case *rbacv3.Principal_Authenticated_:
		return e.call.Peer != "" && stringMatches(r.Authenticated.PrincipalName, e.call.Peer)
	case *rbacv3.Principal_DirectRemoteIp:
		return inRange(r.DirectRemoteIp, netip.MustParseAddr(e.call.Source))
	case *rbacv3.Principal_RemoteIp:
		return inRange(r.RemoteIp, e.remote())
	case *rbacv3.Principal_Header:
		return e.header(r.Header)
	case *rbacv3.Principal_Metadata:
		// There is no token.
		return false
	}
	panic(fmt.Sprintf("a principal of type %T", p.Identifier))
}

// remote is the address of the client as a proxy that does not use the remote address sees it.
func (e *rbacEvaluator) remote() netip.Addr {
	own := netip.MustParseAddr(e.call.Source)
	list, ok := e.value("x-forwarded-for")
	if e.call.TCP || !ok {
		return own
	}
	if a, err := netip.ParseAddr(strings.TrimSpace(list[strings.LastIndexByte(list, ',')+1:])); err == nil {
		return a
	}
	return own
}

// value is that of a header, whose name is in lower case.
func (e *rbacEvaluator) value(name string) (string, bool) {
	switch name {
	case ":method":
		return e.call.Method, true
	case ":authority", "host":
		return e.call.Host, true
	}
	var all []string
	for _, h := range e.call.Headers {
		if strings.ToLower(h[0]) == name {
			all = append(all, strings.Trim(h[1], " \t"))
		}
	}
	return strings.Join(all, ","), len(all) > 0
}

func (e *rbacEvaluator) header(m *route.HeaderMatcher) bool {
	v, ok := e.value(strings.ToLower(m.Name))
	if m.GetPresentMatch() {
		return ok
	}
	return ok && stringMatches(m.GetStringMatch(), v)
}

func stringMatches(m *matcher.StringMatcher, v string) bool {
	fold := func(s string) string {
		if m.IgnoreCase {
			return strings.ToLower(s)
		}
		return s
	}
	switch p := m.MatchPattern.(type) {
	case *matcher.StringMatcher_Exact:
		return fold(v) == fold(p.Exact)
	case *matcher.StringMatcher_Prefix:
		return strings.HasPrefix(fold(v), fold(p.Prefix))
	case *matcher.StringMatcher_Suffix:
		return strings.HasSuffix(fold(v), fold(p.Suffix))
	case *matcher.StringMatcher_SafeRegex:
		return fullMatch(p.SafeRegex.Regex, v)
	}
	panic(fmt.Sprintf("a string matcher of type %T", m.MatchPattern))
}

func inRange(r *corev3.CidrRange, a netip.Addr) bool {
	p, err := netip.MustParseAddr(r.AddressPrefix).Prefix(int(r.PrefixLen.GetValue()))
	return err == nil && p.Contains(a)
}

// templateRegex is what Envoy makes of a template (uri_template_internal.cc).
func templateRegex(t string) string {
	const literal = "a-zA-Z0-9-._~%!$&'()+,;:@="
	segments := strings.Split(strings.TrimPrefix(t, "/"), "/")
	for i, s := range segments {
		switch s {
		case "*":
			segments[i] = "[" + literal + "]+"
		case "**":
			segments[i] = "[" + literal + "/]*"
		default:
			segments[i] = regexp.QuoteMeta(s)
		}
	}
	return "/" + strings.Join(segments, "/")
}

// envoyPath is a path as the connection manager leaves it: PathUtil of Envoy, and CanonicalizePath of googleurl.
func envoyPath(path string, mode meshconfig.MeshConfig_ProxyPathNormalization_NormalizationType) string {
	if mode == meshconfig.MeshConfig_ProxyPathNormalization_NONE {
		return path
	}
	if mode == meshconfig.MeshConfig_ProxyPathNormalization_DECODE_AND_MERGE_SLASHES {
		path = strings.NewReplacer("%2F", "/", "%2f", "/", "%5C", `\`, "%5c", `\`).Replace(path)
	}
	path = canonicalizePath(path)
	if mode == meshconfig.MeshConfig_ProxyPathNormalization_MERGE_SLASHES ||
		mode == meshconfig.MeshConfig_ProxyPathNormalization_DECODE_AND_MERGE_SLASHES {
		for strings.Contains(path, "//") {
			path = strings.ReplaceAll(path, "//", "/")
		}
	}
	return path
}

func canonicalizePath(in string) string {
	isSlash := func(i int) bool { return in[i] == '/' || in[i] == '\\' }
	isDot := func(i int) int {
		if i < len(in) && in[i] == '.' {
			return 1
		}
		if i+3 <= len(in) && strings.EqualFold(in[i:i+3], "%2e") {
			return 3
		}
		return 0
	}
	var out []byte
	for i := 0; i < len(in); i++ {
		c := in[i]
		dots := isDot(i)
		if dots > 0 && len(out) > 0 && out[len(out)-1] == '/' {
			after := i + dots
			second := isDot(after)
			switch {
			case after >= len(in):
				i = after - 1
			case isSlash(after):
				i = after
			case second > 0 && (after+second >= len(in) || isSlash(after+second)):
				for n := len(out) - 1; n > 0; {
					if n--; out[n] == '/' || n == 0 {
						out = out[:n+1]
						break
					}
				}
				i = after + second
			default:
				out = append(out, '.')
				i = after - 1
			}
			continue
		}
		switch {
		case dots > 0:
			out = append(out, '.')
			i += dots - 1
		case c == '\\':
			out = append(out, '/')
		case c == '%':
			var v byte
			if i+3 > len(in) {
				out = append(out, '%')
			} else if _, err := fmt.Sscanf(in[i+1:i+3], "%02x", &v); err != nil || strings.ContainsAny(in[i+1:i+3], "+- ") {
				out = append(out, '%')
			} else {
				if unreserved.Match([]byte{v}) {
					out = append(out, v)
				} else {
					out = append(out, in[i:i+3]...)
				}
				i += 2
			}
		case strings.IndexByte(" \"#<>?^`{|}\x7f", c) >= 0 || c < ' ' || c >= 0x80:
			out = fmt.Appendf(out, "%%%02X", c)
		default:
			out = append(out, c)
		}
	}
	return string(out)
}

var unreserved = regexp.MustCompile(`^[A-Za-z0-9\-._~]$`)
