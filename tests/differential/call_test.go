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
	"net/http"
	"net/netip"
	"strings"

	"istio.io/istio/pilot/pkg/simulation"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/simulate"
)

// call is one request of the workload beside the proxy.
type call struct {
	// mesh says that the client of TLS that a gateway terminates shows a certificate of the mesh.
	mesh bool
	// address and port are what the client connects to.
	address string
	port    int
	method  string
	// host is the Host header, path the target with its query.
	host, path string
	headers    []field
	// transport is HTTP's, or a connection without any of the above; sni is its server name.
	transport transport
	sni       string
	// inbound says that the workload is called, and not that it calls.
	inbound bool
	// gateway says that the proxy is one, which is called; tls that HTTP comes over TLS, with sni.
	gateway, tls bool
}

// field is a header as it is sent.
type field struct{ name, value string }

const (
	// elsewhere is an address that belongs to no service.
	elsewhere = "192.0.2.7"
	clientIP  = "10.9.9.9"
)

func (c *call) String() string {
	var b strings.Builder
	if c.inbound {
		b.WriteString("to the workload: ")
	}
	if c.transport != overHTTP {
		fmt.Fprintf(&b, "%s to %s:%d, server name %q", c.transport, c.address, c.port, c.sni)
		return b.String()
	}
	fmt.Fprintf(&b, "%s %s://%s:%d%s (Host: %s)", c.method, c.scheme(), c.address, c.port, c.path, c.host)
	if c.tls {
		fmt.Fprintf(&b, " (server name %q)", c.sni)
	}
	for _, h := range c.headers {
		fmt.Fprintf(&b, " [%s: %s]", h.name, h.value)
	}
	return b.String()
}

func (c *call) scheme() string {
	if c.tls {
		return "https"
	}
	return "http"
}

// values are those of a header in the order in which they are sent, whatever the case of its name.
func (c *call) values(name string) []string {
	var out []string
	for _, h := range c.headers {
		if strings.EqualFold(h.name, name) {
			out = append(out, h.value)
		}
	}
	return out
}

func (c *call) header(name string) string { return strings.Join(c.values(name), ",") }

// grpc says that the client takes its answer for a gRPC one.
func (c *call) grpc() bool {
	t, ok := strings.CutPrefix(c.header("content-type"), "application/grpc")
	return ok && (t == "" || t[0] == '+' || t[0] == ';')
}

// pathOnly is the path without its query.
func (c *call) pathOnly() string {
	path, _, _ := strings.Cut(c.path, "?")
	return path
}

// query is the query with its question mark.
func (c *call) query() string { return c.path[len(c.pathOnly()):] }

// simulation is the call for Istio's simulation, which looks at no headers but the host.
func (c *call) simulation() simulation.Call {
	out := simulation.Call{
		Address: c.address, Port: c.port, Path: c.pathOnly(), Protocol: simulation.HTTP, HostHeader: c.host,
		CallMode: simulation.CallModeOutbound,
	}
	if c.inbound {
		out.CallMode = simulation.CallModeInbound
	}
	if c.gateway {
		out.CallMode = simulation.CallModeGateway
	}
	if c.tls {
		out.TLS, out.Sni = simulation.TLS, strings.ToLower(c.sni)
	}
	switch c.transport {
	case overTLS:
		out.TLS, out.Sni = simulation.TLS, strings.ToLower(c.sni)
		fallthrough
	case overTCP:
		out.Protocol, out.Path = simulation.TCP, ""
	}
	if c.mesh && out.TLS == simulation.TLS {
		out.TLS = simulation.MTLS
	}
	return out
}

// request is the call for APISIX.
func (c *call) request() simulate.Request {
	r := simulate.Request{Method: c.method, Host: c.host, Path: c.path, Header: http.Header{}, Source: netip.MustParseAddr(clientIP), Inbound: c.inbound}
	if c.tls {
		r.Scheme, r.ServerName = "https", c.sni
	}
	for _, h := range c.headers {
		r.Header[h.name] = append(r.Header[h.name], h.value)
	}
	r.OriginalDst = netip.AddrPortFrom(netip.MustParseAddr(c.address), uint16(c.port))
	return r
}
