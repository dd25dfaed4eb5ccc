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
	"cmp"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// connectRetries is how often a request is tried again when no connection could be made: the attempts of Istio's default
// retry policy.
const connectRetries = 2

// noTimeout stands for Istio's default of no limit, in seconds; APISIX's own default is 60.
const noTimeout = 24 * 60 * 60

// anyPort is the port of a node that is none, which APISIX asks for.
const anyPort = 80

// upstreamID is the id of a cluster's upstream.
func upstreamID(c *ir.Cluster) string {
	switch {
	case c.Inbound && c.Port != 0:
		return apisix.ID("inbound", strconv.Itoa(c.Port))
	case c.Inbound || c.Host == "" && c.Port == 0:
		return apisix.ID(c.Name)
	}
	return apisix.ID("outbound", strconv.Itoa(c.Port), c.Subset, c.Host)
}

// upstream translates a cluster.
func (t *translator) upstream(c *ir.Cluster) *Resource {
	u := apisix.Upstream{
		ID:      upstreamID(c),
		Retries: connectRetries,
		Timeout: apisix.Timeout{Connect: seconds(c.ConnectTimeout), Send: noTimeout, Read: noTimeout},
	}
	u.Scheme = scheme(c)
	u.KeepalivePool = keepalivePool(c)
	if c.StreamIdleTimeout > 0 {
		u.Timeout.Send, u.Timeout.Read = seconds(c.StreamIdleTimeout), seconds(c.StreamIdleTimeout)
	}
	loadBalancer(&u, c.LB)
	u.Nodes = make([]apisix.Node, 0, len(c.Endpoints))
	for i := range c.Endpoints {
		if e := &c.Endpoints[i]; isNode(e) {
			u.Nodes = append(u.Nodes, node(e))
		}
	}
	keepSocketsApart(u.Nodes)
	if c.DynamicDNS {
		u.Nodes = append(u.Nodes, apisix.Node{Host: apisix.AnyHost, Port: cmp.Or(c.Port, anyPort), Weight: 1})
	}
	if c.TLS != nil {
		upstreamTLS(&u, c)
	}
	if needsMesh(c) {
		meshBalancer(&u, c)
	}
	return t.resource(apisix.Upstreams, u.ID, &u, c.Sources)
}

// isNode says that an endpoint is one for APISIX.
func isNode(e *ir.Endpoint) bool {
	return e.Path != "" || e.Port > 0 && e.Port <= 65535 && apisix.ValidHost(e.Address)
}

func node(e *ir.Endpoint) apisix.Node {
	n := apisix.Node{Host: e.Address, Port: e.Port, Weight: e.Weight, Metadata: metadata(e)}
	switch {
	case e.Path != "":
		n.Host, n.Port, n.Metadata.Unix = apisix.AnyHost, socketPort(e.Path), e.Path
	case isName(e.Address):
		n.Host, n.Metadata.DNS = apisix.AnyHost, e.Address
	}
	return n
}

// isName says that an endpoint is known by a DNS name.
func isName(address string) bool {
	_, err := netip.ParseAddr(strings.Trim(address, "[]"))
	return err != nil
}

// keepalivePool limits the connections of a cluster. APISIX closes one after 1,000 requests when nobody says otherwise.
func keepalivePool(c *ir.Cluster) apisix.KeepalivePool {
	p := apisix.KeepalivePool{Requests: c.MaxRequestsPerConnection}
	if c.IdleTimeout > 0 {
		p.IdleTimeout = seconds(c.IdleTimeout)
	}
	return p
}

// scheme is what a cluster's endpoints speak; empty for HTTP.
func scheme(c *ir.Cluster) string {
	switch {
	case c.TLS != nil && c.HTTP2:
		return apisix.SchemeGRPCS
	case c.TLS != nil:
		return apisix.SchemeHTTPS
	case c.HTTP2:
		return apisix.SchemeGRPC
	}
	return ""
}

// seconds is d as APISIX counts it, at least a millisecond: zero is no timeout there.
func seconds(d time.Duration) float64 {
	return max(d, time.Millisecond).Round(time.Millisecond).Seconds()
}
