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
	"strings"

	"google.golang.org/protobuf/proto"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// connectionPool takes what limits single connections and how much there is of a cluster at a time, and tells of the rest.
func (b *clusterBuilder) connectionPool(p *networking.ConnectionPoolSettings, src ir.Source) {
	if p == nil {
		return
	}
	c, rest := b.cluster, proto.CloneOf(p)
	if t := p.GetHttp().GetIdleTimeout(); t != nil {
		c.IdleTimeout = t.AsDuration()
	} else if t := p.GetTcp().GetIdleTimeout(); t != nil {
		c.IdleTimeout = t.AsDuration()
	}
	limits := ir.Limits{
		Requests: positive(p.GetHttp().GetHttp2MaxRequests()),
		Retries:  positive(p.GetHttp().GetMaxRetries()),
	}
	// Of HTTP/2 Envoy has many requests on a connection, and nginx one.
	if !c.HTTP2 {
		limits.Connections, limits.Pending = positive(p.GetTcp().GetMaxConnections()), positive(p.GetHttp().GetHttp1MaxPendingRequests())
	}
	if tcp := rest.Tcp; tcp != nil {
		if t := tcp.ConnectTimeout; t != nil {
			c.ConnectTimeout = t.AsDuration()
		}
		tcp.ConnectTimeout, tcp.IdleTimeout = nil, nil
		if !c.HTTP2 {
			tcp.MaxConnections = 0
		}
	}
	if http := rest.Http; http != nil {
		c.MaxRequestsPerConnection = positive(http.MaxRequestsPerConnection)
		http.IdleTimeout, http.MaxRequestsPerConnection, http.MaxConcurrentStreams = nil, 0, 0
		http.Http2MaxRequests, http.MaxRetries = 0, 0
		if http.UseClientProtocol || http.H2UpgradePolicy == networking.ConnectionPoolSettings_HTTPSettings_UPGRADE && !c.HTTP2 {
			b.diagnose(fidelity.ClientProtocol, src, "")
		}
		http.UseClientProtocol, http.H2UpgradePolicy = false, networking.ConnectionPoolSettings_HTTPSettings_DEFAULT
		if !c.HTTP2 {
			http.Http1MaxPendingRequests = 0
		}
	}
	switch {
	case limits == (ir.Limits{}):
	case c.OriginalDst:
		// Requests to where their connections were captured on the way to are not balanced.
		b.diagnose(fidelity.ConnectionPool, src, "")
		return
	case limits.Connections+limits.Pending+limits.Retries > 0:
		b.diagnose(fidelity.ConnectionLimits, src, "")
	}
	c.Limits = limits
	if left := append(set("tcp", rest.Tcp), set("http", rest.Http)...); len(left) > 0 {
		b.diagnose(fidelity.ConnectionPool, src, "%s", strings.Join(left, ", "))
	}
}

// set names the fields of a message that say something, in the order in which Istio declares them.
func set(prefix string, m proto.Message) []string {
	var out []string
	in := m.ProtoReflect()
	for i, fields := 0, in.Descriptor().Fields(); i < fields.Len(); i++ {
		if in.Has(fields.Get(i)) {
			out = append(out, prefix+"."+fields.Get(i).JSONName())
		}
	}
	return out
}

func positive(n int32) int { return int(max(n, 0)) }
