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

package apisixconf

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// Istio's ports for captured connections, and those of the proxy on loopback that they are passed on to.
const (
	OutboundPort = 15001
	InboundPort  = 15006

	firstListener = 15080
)

// Capture takes the connections that Istio's rules redirect. nginx looks what each is and passes the socket on, within the process, to one
// of six listeners on loopback.
type Capture struct {
	// Outbound and Inbound are the ports for what the workload sends and for what is sent to it, on all addresses.
	Outbound, Inbound int
	// FirstListener is the first of the six ports.
	FirstListener int
	// IPv4 and IPv6 are the families of the workload; at least one.
	IPv4, IPv6 bool
}

// DefaultCapture has Istio's ports.
func DefaultCapture(ipv4, ipv6 bool) *Capture {
	return &Capture{Outbound: OutboundPort, Inbound: InboundPort, FirstListener: firstListener, IPv4: ipv4, IPv6: ipv6}
}

func (c *Capture) outboundHTTP() int { return c.FirstListener }
func (c *Capture) outboundTCP() int  { return c.FirstListener + 1 }
func (c *Capture) inboundHTTP() int  { return c.FirstListener + 2 }
func (c *Capture) inboundHTTPS() int { return c.FirstListener + 3 }
func (c *Capture) inboundTCP() int   { return c.FirstListener + 4 }
func (c *Capture) inboundTLS() int   { return c.FirstListener + 5 }
func (c *Capture) lastListener() int { return c.inboundTLS() }
func (c *Capture) inboundPorts() []int {
	return []int{c.inboundHTTP(), c.inboundHTTPS(), c.inboundTCP(), c.inboundTLS()}
}

func (c *Capture) validate() error {
	if !c.IPv4 && !c.IPv6 {
		return fmt.Errorf("Capture: neither IPv4 nor IPv6")
	}
	for _, port := range []int{c.Outbound, c.Inbound, c.FirstListener, c.lastListener()} {
		if port < 1 || port > 65535 {
			return fmt.Errorf("Capture: the port %d is not within 1 and 65535", port)
		}
	}
	for _, port := range []int{c.Outbound, c.Inbound} {
		if port >= c.FirstListener && port <= c.lastListener() || c.Outbound == c.Inbound {
			return fmt.Errorf("Capture: the port %d is there twice", port)
		}
	}
	return nil
}

// loopback are the addresses of a port.
func (c *Capture) loopback(port int) []string {
	var out []string
	if c.IPv4 {
		out = append(out, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	}
	if c.IPv6 {
		out = append(out, net.JoinHostPort("::1", strconv.Itoa(port)))
	}
	return out
}

// expand adds the listeners to the options.
func (c *Capture) expand(o *Options) {
	o.Listen = slices.Concat(o.Listen, c.loopback(c.outboundHTTP()), c.loopback(c.inboundHTTP()))
	o.Stream = slices.Concat(o.Stream, c.loopback(c.outboundTCP()), c.loopback(c.inboundTCP()))
	o.TLS = slices.Concat(o.TLS, c.loopback(c.inboundHTTPS()))
	o.StreamTLS = slices.Concat(o.StreamTLS, c.loopback(c.inboundTLS()))
	o.InboundPorts = slices.Concat(o.InboundPorts, c.inboundPorts())
}

// attributes tell our Lua of the listeners. Without a certificate of its own the workload has none for TLS.
func (c *Capture) attributes() object {
	return object{
		"outbound": c.Outbound, "inbound": c.Inbound,
		"outbound_listeners": object{"http": c.outboundHTTP(), "tcp": c.outboundTCP()},
		"inbound_listeners": object{
			"http": c.inboundHTTP(), "https": c.inboundHTTPS(), "tcp": c.inboundTCP(), "tls": c.inboundTLS(),
		},
	}
}

// server is nginx's for captured connections.
func (c *Capture) server() string {
	var b strings.Builder
	b.WriteString("map $server_port $mesh_listener {\n    default \"\";\n}\nserver {\n")
	for _, port := range []int{c.Outbound, c.Inbound} {
		if c.IPv4 {
			fmt.Fprintf(&b, "    listen 0.0.0.0:%d reuseport;\n", port)
		}
		if c.IPv6 {
			fmt.Fprintf(&b, "    listen [::]:%d reuseport;\n", port)
		}
	}
	b.WriteString("    preread_by_lua_block { require(\"apisix.mesh.capture\").preread() }\n    pass $mesh_listener;\n}\n")
	return b.String()
}
