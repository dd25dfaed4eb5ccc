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

package simulate

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// rbac is mesh-rbac. It goes the simple way that the Lua does not: every rule is looked at for every request.
type rbac struct {
	nothing
	apisix.MeshRBAC
	cidrs map[string]netip.Prefix
}

func parseRBAC(raw json.RawMessage) (plugin, error) { return newRBAC(raw) }

func newRBAC(raw json.RawMessage) (*rbac, error) {
	conf, err := decodeConf[apisix.MeshRBAC](raw)
	if err != nil {
		return nil, err
	}
	p := &rbac{MeshRBAC: conf, cidrs: map[string]netip.Prefix{}}
	for _, r := range slices.Concat(conf.Allow, conf.Deny) {
		for _, all := range slices.Concat(r.From, r.To) {
			for i := range all {
				if err := p.check(&all[i]); err != nil {
					return nil, err
				}
			}
		}
	}
	return p, nil
}

func (p *rbac) check(c *apisix.RBACCondition) error {
	switch c.Attribute {
	case "source.principal", "source.ip", "remote.ip", "destination.ip", "destination.port", "connection.sni", "request.headers",
		"request.auth.claims", "request.auth.principal", "host", "method", "path":
	default:
		return fmt.Errorf("no attribute %q", c.Attribute)
	}
	for _, text := range c.CIDR {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return err
		}
		p.cidrs[text] = prefix
	}
	for _, g := range c.Glob {
		if len(g.Parts) != len(g.Gaps)+1 {
			return fmt.Errorf("%d parts and %d gaps", len(g.Parts), len(g.Gaps))
		}
	}
	return nil
}

// caller is what is known of a request, or of a connection.
type caller struct {
	peer        string
	source      netip.Addr
	destination netip.AddrPort
	// sni is empty for none. sniUnknown says that there may be one.
	sni        string
	sniUnknown bool
	// request is nil for a connection.
	request *request
	// normalization and http2 are the plugin's.
	normalization string
	http2         bool
	// forward is the path and query where they are not what was sent.
	forward string
}

// errUnknown is an attribute that cannot be told.
var errUnknown = errors.New("it cannot be told")

// refuses says why somebody is not let in; empty when he is.
func (p *rbac) refuses(c *caller) string {
	c.normalization, c.http2 = p.Normalization, p.HTTP2
	for i := range p.Deny {
		took, err := p.rule(&p.Deny[i], c)
		if err != nil {
			return err.Error()
		}
		if took {
			return p.Deny[i].Name + " denies it"
		}
	}
	if p.Allow == nil {
		return ""
	}
	for i := range p.Allow {
		took, err := p.rule(&p.Allow[i], c)
		if err != nil {
			return err.Error()
		}
		if took {
			return ""
		}
	}
	return "no rule allows it"
}

func (p *rbac) rule(r *apisix.RBACRule, c *caller) (bool, error) {
	for _, side := range [][][]apisix.RBACCondition{r.From, r.To} {
		if len(side) == 0 {
			continue
		}
		any := false
		for _, all := range side {
			took, err := p.all(all, c)
			if err != nil {
				return false, err
			}
			if any = took; any {
				break
			}
		}
		if !any {
			return false, nil
		}
	}
	return true, nil
}

func (p *rbac) all(list []apisix.RBACCondition, c *caller) (bool, error) {
	for i := range list {
		took, err := p.holds(&list[i], c)
		if err != nil {
			return false, fmt.Errorf("%s: %w", list[i].Attribute, err)
		}
		if took == list[i].Not {
			return false, nil
		}
	}
	return true, nil
}

// holds is without regard to Not.
func (p *rbac) holds(c *apisix.RBACCondition, of *caller) (bool, error) {
	var v value
	var err error
	evenEmpty := false
	switch c.Attribute {
	case "source.ip":
		return p.within(c, of.source), nil
	case "remote.ip":
		a, err := of.remote()
		return p.within(c, a), err
	case "destination.ip":
		return p.within(c, of.destination.Addr().Unmap()), nil
	case "destination.port":
		return slices.Contains(c.Port, int(of.destination.Port())), nil
	case "request.auth.claims", "request.auth.principal":
		// There is no token.
		return false, nil
	case "source.principal":
		if strings.ContainsFunc(of.peer, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return false, errUnknown
		}
		v = value{text: of.peer, ok: of.peer != ""}
	case "connection.sni":
		if of.sniUnknown || strings.Contains(of.sni, "._sa.") {
			return false, errUnknown
		}
		v = value{text: strings.ToLower(of.sni), ok: of.sni != ""}
	default:
		evenEmpty = c.Attribute != "path"
		v, err = of.ofRequest(c)
	}
	if err != nil || !v.ok {
		return false, err
	}
	return rbacHas(&c.RBACStrings, v.text, evenEmpty) ||
		slices.ContainsFunc(c.Template, func(t string) bool { return rbacTemplate(t, v.text) }), nil
}

// ofRequest is an attribute that only requests have.
func (c *caller) ofRequest(of *apisix.RBACCondition) (value, error) {
	r := c.request
	if r == nil {
		return value{}, errUnknown
	}
	switch of.Attribute {
	case "method":
		return value{text: r.method, ok: true}, nil
	case "host":
		return value{text: asciiLower(r.httpHost), ok: true}, nil
	case "path":
		path, query, ok := rbacPath(r.raw, c.normalization)
		if !ok {
			return value{}, errUnknown
		}
		if forward := path + query; forward != r.raw && strings.HasPrefix(r.raw, "/") {
			if c.http2 || isGRPC(r.headerVar("http_content_type").text) {
				return value{}, errUnknown
			}
			c.forward = forward
		}
		return value{text: path, ok: true}, nil
	}
	if v := r.joined(of.Header); of.Header != "cookie" || r.count(of.Header) <= 1 {
		return v, nil
	}
	// Envoy puts them together in another way for HTTP/2.
	return value{}, errUnknown
}

// count is how often a header is there.
func (r *request) count(name string) int {
	n := 0
	for _, sent := range r.names {
		if asciiLower(sent) == name {
			n += len(r.header[sent])
		}
	}
	return n
}

// joined are the values of a header with commas between them, as Envoy has them.
func (r *request) joined(name string) value {
	if name == "host" {
		return value{text: r.httpHost, ok: true}
	}
	var all []string
	for _, n := range r.names {
		if asciiLower(n) == name {
			for _, v := range r.header[n] {
				all = append(all, strings.Trim(v, " \t"))
			}
		}
	}
	return value{text: strings.Join(all, ","), ok: len(all) > 0}
}

// remote is the last address of X-Forwarded-For, or the connection's.
func (c *caller) remote() (netip.Addr, error) {
	if c.request == nil {
		return c.source, nil
	}
	list := c.request.joined("x-forwarded-for")
	if list.text == "" {
		return c.source, nil
	}
	a, err := netip.ParseAddr(strings.Trim(list.text[strings.LastIndexByte(list.text, ',')+1:], " \t"))
	if err != nil || a.Zone() != "" {
		return a, errUnknown
	}
	return a.Unmap(), nil
}

func (p *rbac) within(c *apisix.RBACCondition, a netip.Addr) bool {
	return slices.ContainsFunc(c.CIDR, func(text string) bool { return p.cidrs[text].Contains(a) })
}

func rbacHas(s *apisix.RBACStrings, v string, evenEmpty bool) bool {
	if s.Present && (evenEmpty || v != "") || slices.Contains(s.Exact, v) ||
		slices.ContainsFunc(s.Prefix, func(p string) bool { return strings.HasPrefix(v, p) }) ||
		slices.ContainsFunc(s.Suffix, func(p string) bool { return strings.HasSuffix(v, p) }) ||
		slices.ContainsFunc(s.Glob, func(g apisix.RBACGlob) bool { return rbacGlob(&g, v) }) {
		return true
	}
	rest, ok := strings.CutPrefix(v, "spiffe://")
	domain, _, slash := strings.Cut(rest, "/")
	return ok && slash && (slices.ContainsFunc(s.DomainPrefix, func(p string) bool { return strings.HasPrefix(domain, p) }) ||
		slices.ContainsFunc(s.DomainSuffix, func(p string) bool { return strings.HasSuffix(domain, p) }))
}

func rbacGlob(g *apisix.RBACGlob, v string) bool {
	rest, ok := strings.CutPrefix(v, g.Parts[0])
	if !ok || len(g.Parts) == 1 {
		return ok && rest == ""
	}
	last := len(g.Parts) - 1
	for i := 1; i < last; i++ {
		gap := g.Gaps[i-1]
		if gap > len(rest) {
			return false
		}
		at := strings.Index(rest[gap:], g.Parts[i])
		if at < 0 {
			return false
		}
		rest = rest[gap+at+len(g.Parts[i]):]
	}
	return len(rest) >= g.Gaps[last-1]+len(g.Parts[last]) && strings.HasSuffix(rest, g.Parts[last])
}

// templateCharacters are what Envoy's operators take beside letters and digits.
const templateCharacters = "-._~%!$&'()+,;:@=/"

func rbacTemplate(template, path string) bool {
	if strings.ContainsFunc(path, func(r rune) bool {
		return !(r < 0x80 && (isLetter(byte(r)) || isDigit(byte(r)))) && !strings.ContainsRune(templateCharacters, r)
	}) {
		return false
	}
	before, tail, anything := strings.Cut(template, "{**}")
	segments := strings.Split(before, "/")
	have := strings.Split(path, "/")
	if anything {
		// What is in front of it ends with a slash.
		segments = segments[:len(segments)-1]
		if len(have) <= len(segments) {
			return false
		}
		rest := strings.Join(have[len(segments):], "/")
		if !strings.HasSuffix(rest, tail) {
			return false
		}
		have = have[:len(segments)]
	}
	return slices.EqualFunc(segments, have, func(s, h string) bool { return s == h || s == "{*}" && h != "" })
}

func (p *rbac) rewrite(e *exchange) {
	c := &caller{peer: e.peer, source: e.source, destination: e.originalDst, sni: e.serverName, request: e.request}
	if why := p.refuses(c); why != "" {
		e.routed = true
		e.why.add("mesh-rbac: %s", why)
		e.respond(e.localReply(http.StatusForbidden, "RBAC: access denied", -1))
		return
	}
	if c.forward != "" && e.base != nil {
		e.base.Request.Path = c.forward
	}
}
