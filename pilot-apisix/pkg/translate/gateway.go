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
	"regexp"
	"slices"
	"strings"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// maxClientDepth is how long a client's chain may be: Envoy's default, and OpenSSL's.
const maxClientDepth = 100

// gateway translates what only a gateway has: certificates, and the ports to open. There is a list of ports for every gateway,
// so that one which loses its last port learns of it.
func (t *translator) gateway() {
	g := t.cfg.Gateway
	if g == nil {
		return
	}
	for i := range g.TLS {
		t.ssl(&g.TLS[i])
	}
	metadata := apisix.MeshListeners{Listeners: make([]apisix.MeshListener, 0, len(g.Listeners))}
	var sources []ir.Source
	for _, l := range g.Listeners {
		listener := apisix.MeshListener{Port: l.Port, Protocol: string(l.Protocol), Bind: l.Bind, Others: l.Others}
		for _, m := range l.Mutual {
			listener.IstioMutual = append(listener.IstioMutual, apisix.MeshServer{Names: m.Names, SSLProtocols: m.Protocols})
		}
		metadata.Listeners = append(metadata.Listeners, listener)
		sources = append(sources, l.Source)
	}
	t.out.Resources = append(t.out.Resources, t.resource(apisix.PluginMetadata, apisix.MeshListenersID, &metadata, sources))
}

// ssl has a resource for each server name: APISIX looks at a list of them in a way that does not take every name which it should.
func (t *translator) ssl(s *ir.TLSServer) {
	if !apisix.ValidHost(s.Name) {
		t.diagnose(fidelity.SNINotCarried, s.Source, "%q", s.Name)
		return
	}
	out := apisix.SSL{ID: apisix.ID("gateway", strings.Replace(s.Name, "*", "any", 1)), SNI: s.Name, SSLProtocols: s.Protocols}
	for i, c := range s.Certificates {
		if i == 0 {
			out.Cert, out.Key = string(c.Chain), string(c.Key)
			continue
		}
		out.Certs, out.Keys = append(out.Certs, string(c.Chain)), append(out.Keys, string(c.Key))
	}
	if c := s.Client; c != nil {
		out.Client = &apisix.SSLClient{CA: string(c.CA), Depth: maxClientDepth}
		if c.Optional {
			// No request needs one.
			out.Client.SkipMTLSURIRegex = []string{"^"}
		}
	}
	t.out.Resources = append(t.out.Resources, t.resource(apisix.SSLs, out.ID, &out, []ir.Source{s.Source}))
}

// serverNames are the conditions on the server name of a connection: what Envoy's filter chains are for, of which the most specific
// one takes it.
func serverNames(n *ir.ServerNames) []apisix.Expr {
	if n == nil {
		return nil
	}
	// Names for which the same others are more specific have one condition.
	var groups []ir.ServerNames
	for _, name := range n.Names {
		except := slices.DeleteFunc(slices.Clone(n.Except), func(e string) bool { return !covers(name, e) })
		if i := slices.IndexFunc(groups, func(g ir.ServerNames) bool { return slices.Equal(g.Except, except) }); i >= 0 {
			groups[i].Names = append(groups[i].Names, name)
			continue
		}
		groups = append(groups, ir.ServerNames{Names: []string{name}, Except: except})
	}
	either := apisix.Expr{Logic: apisix.LogicOr}
	var all []apisix.Expr
	for i := range groups {
		all = nameConditions(&groups[i])
		switch len(all) {
		case 0:
			return nil
		case 1:
			either.Exprs = append(either.Exprs, all[0])
		default:
			either.Exprs = append(either.Exprs, apisix.Expr{Logic: apisix.LogicAnd, Exprs: all})
		}
	}
	if len(groups) == 1 {
		return all
	}
	return []apisix.Expr{either}
}

// covers says that a wildcard takes the other name, or all that the other name takes.
func covers(wildcard, name string) bool {
	suffix, ok := strings.CutPrefix(wildcard, "*")
	return ok && name != wildcard && strings.HasSuffix(name, suffix)
}

// nameConditions ask for one of the names, and for none of the exceptions.
func nameConditions(n *ir.ServerNames) []apisix.Expr {
	var out []apisix.Expr
	if pattern := serverNamePattern(n.Names); pattern != "" {
		out = append(out, apisix.Expr{Var: apisix.VarServerName, Op: apisix.OpMatchFold, Value: pattern})
	}
	if pattern := serverNamePattern(n.Except); pattern != "" {
		out = append(out, apisix.Expr{Var: apisix.VarServerName, Not: true, Op: apisix.OpMatchFold, Value: pattern})
	}
	return out
}

// serverNamePattern takes the names and no others; it is empty where it would take everything, or where there are none.
func serverNamePattern(names []string) string {
	alternatives := make([]string, 0, len(names))
	for _, name := range names {
		if name == "*" {
			return ""
		}
		if suffix, ok := strings.CutPrefix(name, "*"); ok {
			alternatives = append(alternatives, ".+"+regexp.QuoteMeta(suffix))
			continue
		}
		alternatives = append(alternatives, regexp.QuoteMeta(name))
	}
	if len(alternatives) == 0 {
		return ""
	}
	return "^(?:" + strings.Join(alternatives, "|") + `)\z`
}
