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
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/config/gateway"
	"istio.io/istio/pkg/config/host"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// tlsName is how a server name is answered.
type tlsName struct {
	ir.TLSServer
	port int
	// digest stands for all of the settings.
	digest string
}

// https terminates TLS, and has a table of routes of its own.
func (g *gatewayBuilder) https(port int, s *networking.Server) {
	names := g.claim(port, g.serverNames(s))
	if len(names) == 0 || !g.open(port, ir.ListenHTTPS, s) || !g.terminate(port, s, names) || g.denied {
		return
	}
	g.http(port, []*networking.Server{s}, &ir.ServerNames{Names: names, Except: g.moreSpecific(port, s, names)})
}

// serverNames are the names that a server is for, without those that another one of the port has.
func (g *gatewayBuilder) serverNames(s *networking.Server) []string {
	info := g.merged.TLSServerInfo[s]
	if info == nil {
		return nil
	}
	return lowerNames(info.SNIHosts)
}

// lowerNames are those of a filter chain. Beside "*", others count for nothing.
func lowerNames(names []string) []string {
	if slices.Contains(names, "*") {
		return []string{"*"}
	}
	out := make([]string, 0, len(names))
	for _, n := range names {
		out = append(out, strings.ToLower(n))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// duplicate is a name that has a server on the port; empty for none.
func (g *gatewayBuilder) duplicate(port int, names []string) string {
	for _, n := range names {
		if _, taken := g.names[port][n]; taken {
			return n
		}
	}
	return ""
}

// claim gives the names that have no server on the port to the caller.
func (g *gatewayBuilder) claim(port int, names []string) []string {
	taken := g.names[port]
	if taken == nil {
		taken = map[string]struct{}{}
		g.names[port] = taken
	}
	free := names[:0]
	for _, n := range names {
		if _, dup := taken[n]; !dup {
			taken[n] = struct{}{}
			free = append(free, n)
		}
	}
	return free
}

// moreSpecific are names of other servers of the port that a wildcard of names covers. They are theirs, whether or not these
// servers can be served.
func (g *gatewayBuilder) moreSpecific(port int, s *networking.Server, names []string) []string {
	var out []string
	for server, info := range g.merged.TLSServerInfo {
		if server == s || !g.onPort(port, server) {
			continue
		}
		others := info.SNIHosts
		if gateway.IsPassThroughServer(server) {
			others = nil
			for m := range g.tlsMatches(server) {
				others = append(others, m.SniHosts...)
			}
		}
		for _, other := range lowerNames(others) {
			covers := func(n string) bool { return n != other && host.Name(other).SubsetOf(host.Name(n)) }
			if !slices.Contains(names, other) && slices.ContainsFunc(names, covers) {
				out = append(out, other)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// onPort says that a server has been merged into a port.
func (g *gatewayBuilder) onPort(port int, s *networking.Server) bool {
	for _, p := range g.merged.ServerPorts {
		if int(p.Number) == port && slices.Contains(g.merged.MergedServers[p].Servers, s) {
			return true
		}
	}
	return false
}

// terminate makes the proxy answer for the names as the server says. It is false when it cannot: then nothing is answered, and
// what the server is for must be refused.
func (g *gatewayBuilder) terminate(port int, s *networking.Server, names []string) bool {
	if s.Tls.Mode == networking.ServerTLSSettings_ISTIO_MUTUAL {
		return g.mutual(port, s, names)
	}
	settings, ok := g.tlsSettings(s)
	if !ok {
		return false
	}
	digest := digestOf(&settings)
	for _, name := range names {
		for i := range g.tls {
			o := &g.tls[i]
			if o.port != port && o.digest != digest && o.meets(name) {
				g.tell(fidelity.ServerNameConflict, s, "%s has other settings for %s", o.Source, o.Name)
				return false
			}
		}
	}
	for _, name := range names {
		settings.Name = name
		g.tls = append(g.tls, tlsName{settings, port, digest})
		if strings.HasPrefix(name, "*.") {
			g.tell(fidelity.WildcardServerName, s, "%s", name)
		}
	}
	return true
}

// mutual answers with the workload's own certificate, on this port only. Envoy trusts the roots of the mesh there, whatever trust domain a
// client is of.
func (g *gatewayBuilder) mutual(port int, s *networking.Server, names []string) bool {
	protocols, ok := g.protocols(s)
	if !ok || !g.enforceable(s, true) {
		return false
	}
	if s.Tls.CaCrl != "" {
		g.tell(fidelity.ClientCRLRefused, s, "caCrl %q", s.Tls.CaCrl)
		return false
	}
	g.tellOfMutual(s)
	l := g.listeners[port]
	l.Mutual = append(l.Mutual, ir.MutualServer{Names: slices.Clone(names), Protocols: protocols})
	return true
}

// others are the names on a port that are not answered with the workload's own certificate.
func (g *gatewayBuilder) others(l *ir.Listener) []string {
	var out []string
	for name := range g.names[l.Port] {
		if !slices.ContainsFunc(l.Mutual, func(m ir.MutualServer) bool { return slices.Contains(m.Names, name) }) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// meets says that the answer for one of two names may be given to clients who want the other's: APISIX does not look at the port.
func (o *tlsName) meets(name string) bool {
	return o.Name == name || host.Name(o.Name).SubsetOf(host.Name(name)) || host.Name(name).SubsetOf(host.Name(o.Name))
}

// tlsServers puts the answers in order. Servers of several ports may share a name when they share their settings.
func (g *gatewayBuilder) tlsServers() {
	slices.SortStableFunc(g.tls, func(x, y tlsName) int { return cmp.Compare(x.Name, y.Name) })
	for i := range g.tls {
		if i == 0 || g.tls[i].Name != g.tls[i-1].Name {
			g.out.TLS = append(g.out.TLS, g.tls[i].TLSServer)
		}
	}
}

func digestOf(s *ir.TLSServer) string {
	h := sha256.New()
	add := func(b []byte) {
		h.Write(b)
		h.Write([]byte{0})
	}
	for _, c := range s.Certificates {
		add(c.Chain)
		add(c.Key)
	}
	if s.Client != nil {
		add([]byte("client"))
		add(s.Client.CA)
		if s.Client.Optional {
			add([]byte("optional"))
		}
	}
	add([]byte(strings.Join(s.Protocols, ",")))
	return hex.EncodeToString(h.Sum(nil))
}

// validCertificate says whether APISIX would take it.
func validCertificate(c *ir.Certificate) error {
	_, err := tls.X509KeyPair(c.Chain, c.Key)
	return err
}

// Credentials are what a router's servers present, and what they ask of clients.
type Credentials interface {
	// Get finds resources of SDS by their names, such as "kubernetes://name", with all that Istio checks before it gives them
	// to a proxy. What does not exist, and what the proxy may not have, is missing.
	Get(proxy *model.Proxy, push *model.PushContext, names []string) map[string]Credential
}

// Credential is a certificate with its key, or the roots of certificates.
type Credential struct {
	ir.Certificate
	// CA are the roots, in PEM.
	CA []byte
	// CRL is set where certificates are revoked.
	CRL bool
	// Unreadable says why there is neither; empty when there is one.
	Unreadable string
}
