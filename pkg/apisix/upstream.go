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

package apisix

// The algorithms of Upstream.Type.
const (
	RoundRobin = "roundrobin"
	LeastConn  = "least_conn"
	CHash      = "chash"
	// Mesh is the balancer of our Lua pack, which Upstream.Mesh is for.
	Mesh = "mesh"
)

// The places of Upstream.HashOn that a consistent hash takes its key from.
const (
	HashOnVars   = "vars"
	HashOnHeader = "header"
	HashOnCookie = "cookie"
)

// The schemes of Upstream.Scheme.
const (
	SchemeHTTP  = "http"
	SchemeGRPC  = "grpc"
	SchemeHTTPS = "https"
	SchemeGRPCS = "grpcs"
)

// Upstream is an object of /apisix/upstreams. Its fields are APISIX's of the same name.
type Upstream struct {
	ID string
	// Name is for people.
	Name string
	// Type is the load balancing algorithm.
	Type string
	// HashOn and Key are used by Type CHash only.
	HashOn, Key string
	// Scheme is SchemeHTTP when empty.
	Scheme string
	// Nodes may be empty: APISIX answers 503 then.
	Nodes []Node
	// Retries is the number of further tries after a failed connection, and is always written: APISIX's default is the
	// number of nodes less one.
	Retries int
	Timeout Timeout
	// KeepalivePool keeps connections to the nodes; the zero value leaves it to config.yaml.
	KeepalivePool KeepalivePool
	// Mesh is used by Type Mesh only.
	Mesh *MeshBalancer
	// TLS is used by SchemeHTTPS and SchemeGRPCS, and by streams whatever the scheme is.
	TLS *MeshTLS
	// ClientCertID is the SSL of SSLClientType that is shown to nodes (APISIX's tls.client_cert_id); none when empty.
	ClientCertID string
}

// KeepalivePool is APISIX's keepalive_pool. What is zero is APISIX's default.
type KeepalivePool struct {
	// IdleTimeout in seconds.
	IdleTimeout float64
	// Requests are those after which a connection is closed.
	Requests int
}

// AnyHost is the Host of a node whose metadata has a DNS name or a path: APISIX would look at a name for every request, and use one address
// of it, and it knows no paths.
const AnyHost = "0.0.0.0"

// Node is one member of an upstream.
type Node struct {
	// Host is an IP address or a DNS name.
	Host   string
	Port   int
	Weight int
	// Metadata is for our Lua.
	Metadata NodeMetadata
}

// Timeout is APISIX's timeout object, in seconds. Each of the three is per operation: Read limits the time between two
// reads from the upstream, not that of the whole response.
type Timeout struct {
	Connect, Send, Read float64
}

// IsZero says that no timeout is set.
func (t Timeout) IsZero() bool { return t == Timeout{} }

func (t Timeout) appendJSON(b []byte) []byte {
	o := beginObject(b)
	o.number("connect", t.Connect)
	o.number("read", t.Read)
	o.number("send", t.Send)
	return o.end()
}

// AppendJSON appends u in canonical form.
func (u *Upstream) AppendJSON(b []byte) []byte {
	o := beginObject(b)
	if u.Mesh != nil || u.TLS != nil {
		// The only place of an upstream that APISIX's schema leaves open; without a discovery_type nobody else reads it.
		o.key("discovery_args")
		args := beginObject(o.b)
		if u.Mesh != nil {
			args.key("mesh")
			args.b = u.Mesh.appendJSON(args.b)
		}
		if u.TLS != nil {
			args.key("mesh_tls")
			args.b = u.TLS.appendJSON(args.b)
		}
		o.b = args.end()
	}
	o.string("hash_on", u.HashOn)
	o.string("id", u.ID)
	if p := u.KeepalivePool; p != (KeepalivePool{}) {
		o.key("keepalive_pool")
		k := beginObject(o.b)
		if p.IdleTimeout > 0 {
			k.number("idle_timeout", p.IdleTimeout)
		}
		if p.Requests > 0 {
			k.int("requests", p.Requests)
		}
		o.b = k.end()
	}
	o.string("key", u.Key)
	o.string("name", u.Name)
	o.key("nodes")
	o.b = append(o.b, '[')
	for i, n := range u.Nodes {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		m := beginObject(o.b)
		m.string("host", n.Host)
		if n.Metadata != (NodeMetadata{}) {
			m.key("metadata")
			m.b = n.Metadata.appendJSON(m.b)
		}
		m.int("port", n.Port)
		m.int("weight", n.Weight)
		o.b = m.end()
	}
	o.b = append(o.b, ']')
	o.int("retries", u.Retries)
	o.string("scheme", u.Scheme)
	if !u.Timeout.IsZero() {
		o.key("timeout")
		o.b = u.Timeout.appendJSON(o.b)
	}
	if u.ClientCertID != "" {
		o.key("tls")
		tls := beginObject(o.b)
		tls.string("client_cert_id", u.ClientCertID)
		o.b = tls.end()
	}
	o.string("type", u.Type)
	return o.end()
}
