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

import (
	"strconv"
	"time"
)

// StreamRoute is an object of /apisix/stream_routes. Its fields are APISIX's of the same name, compared with what the client of
// a connection meant, and not with where the proxy itself listens. The router of our Lua pack takes the most specific one.
type StreamRoute struct {
	ID string
	// Inbound is the label "direction": "inbound", for connections to the workload.
	Inbound bool
	// HTTP is the label "http" with what becomes of HTTP: HTTPDetect, HTTPOnly, or empty when it is a connection like others.
	HTTP string
	// MTLS is the label "mtls" with what clients of the workload speak: MTLSPermissive, MTLSStrict, or empty for plain text.
	MTLS string
	// DetectionTimeout is the label "detection_timeout", in seconds: how long a client may say nothing where its protocol is looked at.
	DetectionTimeout time.Duration
	// ServerAddr is an IP address or a CIDR range; empty takes every address.
	ServerAddr string
	// ServerPort is zero for ports that no other route has.
	ServerPort int
	// SNI is the server name of a TLS ClientHello, exact or with a leading "*."; empty takes every connection.
	SNI string
	// UpstreamID is where the connection goes unless a plugin sends it elsewhere; without one it is closed.
	UpstreamID string
	// Plugins must be sorted by their names.
	Plugins []Plugin
}

// The labels of stream routes.
const (
	// LabelDirection is Inbound for connections to the workload, and not there for those from it.
	LabelDirection = "direction"
	Inbound        = "inbound"
	// LabelHTTP is not there where HTTP is not looked for.
	LabelHTTP = "http"
	// HTTPDetect sends what begins like HTTP to the routes for HTTP.
	HTTPDetect = "detect"
	// HTTPOnly sends everything there.
	HTTPOnly = "only"
	// LabelMTLS is not there where plain text is spoken only.
	LabelMTLS      = "mtls"
	MTLSPermissive = "permissive"
	MTLSStrict     = "strict"
	// LabelDetectionTimeout is not there where a client is waited for without end.
	LabelDetectionTimeout = "detection_timeout"
)

// AppendJSON appends r in canonical form.
func (r *StreamRoute) AppendJSON(b []byte) []byte {
	o := beginObject(b)
	o.string("id", r.ID)
	if r.Inbound || r.HTTP != "" || r.MTLS != "" || r.DetectionTimeout > 0 {
		o.key("labels")
		l := beginObject(o.b)
		if r.DetectionTimeout > 0 {
			l.string(LabelDetectionTimeout, strconv.FormatFloat(r.DetectionTimeout.Seconds(), 'f', -1, 64))
		}
		if r.Inbound {
			l.string(LabelDirection, Inbound)
		}
		l.string(LabelHTTP, r.HTTP)
		l.string(LabelMTLS, r.MTLS)
		o.b = l.end()
	}
	o.plugins(r.Plugins)
	o.string("server_addr", r.ServerAddr)
	if r.ServerPort != 0 {
		o.int("server_port", r.ServerPort)
	}
	o.string("sni", r.SNI)
	o.string("upstream_id", r.UpstreamID)
	return o.end()
}
