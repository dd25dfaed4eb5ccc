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

package ir

// Gateway is what a proxy of type router has that a sidecar has not: it opens ports, and terminates TLS there.
type Gateway struct {
	// Listeners are sorted by port, of which each has one.
	Listeners []Listener
	// TLS are sorted by name, and distinct in it.
	TLS []TLSServer
}

// Listener is a port that is opened.
type Listener struct {
	Port int
	// Bind is the address that it is opened at; empty for all.
	Bind     string
	Protocol ListenerProtocol
	// Mutual are the server names that are answered with the workload's own certificate, and only to clients with one of the mesh. They
	// are disjoint; other names of the port are answered as TLSServer says.
	Mutual []MutualServer
	// Others are the other names that a server of the port has, where there is any in Mutual; sorted.
	Others []string
	Source Source
}

// MutualServer is a server with mutual TLS of the mesh.
type MutualServer struct {
	// Names are as in ServerNames.
	Names []string
	// Protocols are as in TLSServer.
	Protocols []string
}

// ListenerProtocol is what a listener does with the bytes of its connections.
type ListenerProtocol string

const (
	// ListenHTTP takes HTTP in plain text.
	ListenHTTP ListenerProtocol = "http"
	// ListenHTTPS terminates TLS, and takes HTTP.
	ListenHTTPS ListenerProtocol = "https"
	// ListenTCP takes connections as they are, also those of TLS that is terminated elsewhere.
	ListenTCP ListenerProtocol = "tcp"
	// ListenTLS terminates TLS, and takes what is in it as it is.
	ListenTLS ListenerProtocol = "tls"
)

// ServerNames are those of the TLS connections that a virtual host is for.
type ServerNames struct {
	// Names are lower case, exact, with a leading "*.", or "*", which takes connections without a server name too. They are
	// sorted.
	Names []string
	// Except are more specific ones that belong to another server of the port; sorted.
	Except []string
}

// TLSServer is how the proxy answers clients that ask for a server name, whatever the port.
type TLSServer struct {
	// Name is as in ServerNames.
	Name string
	// Certificates are of different kinds of keys; there is at least one.
	Certificates []Certificate
	// Client is what a client has to present; nil for nothing.
	Client *ClientCertificate
	// Protocols are the versions of TLS, in APISIX's words ("TLSv1.2"); none for the default.
	Protocols []string
	Source    Source
}

// Certificate is a chain with the key of its first certificate, in PEM.
type Certificate struct {
	Chain []byte
	Key   PrivateKey
}

// PrivateKey does not show itself when it is printed.
type PrivateKey []byte

// String implements fmt.Stringer.
func (PrivateKey) String() string { return "[redacted]" }

// GoString implements fmt.GoStringer.
func (PrivateKey) GoString() string { return "[redacted]" }

// ClientCertificate says which certificates of clients are valid.
type ClientCertificate struct {
	// CA are the roots, in PEM.
	CA []byte
	// Optional lets clients without a certificate in.
	Optional bool
}
