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
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Request is what a client sends.
type Request struct {
	// Method is GET when empty.
	Method string
	// Scheme of the listener: http when empty, or https.
	Scheme string
	// ServerName is that of a TLS connection which is terminated; empty for none. Whether there is a certificate for it is not
	// looked at.
	ServerName string
	// Host is the Host header as it is sent, with its port.
	Host string
	// Path is the target as the request line has it: a path with its query, or a whole URI.
	Path string
	// Header is without Host. Values of a name are in the order in which they are sent.
	Header http.Header
	// Source is the client's address; 127.0.0.1 when it is not valid.
	Source netip.Addr
	// OriginalDst is the address that a captured connection was made to; not valid when it was not captured.
	OriginalDst netip.AddrPort
	// Inbound says that the request comes through a listener for what is sent to the workload.
	Inbound bool
	// Peer is the SPIFFE id of a client with a certificate of the mesh; empty for plain text.
	Peer string
}

// request is one that nginx has let in.
type request struct {
	method, scheme string
	serverName     string
	// host is nginx's $host: in lower case, without port and last dot.
	host string
	// httpHost is the Host header.
	httpHost string
	// uri is nginx's normalised $uri, raw the path and query as they were sent: nginx's $request_uri.
	uri, raw string
	// args is the query; hasArgs is false where nginx's $args does not exist.
	args    string
	hasArgs bool
	// header has what nginx keeps, by the names as they were sent.
	header     map[string][]string
	names      []string
	remoteAddr string
	// source is the client of the connection, whatever it says.
	source      netip.Addr
	originalDst netip.AddrPort
	inbound     bool
	peer        string

	// queries is made when somebody asks for an argument.
	queries map[string]value
}

// refusal is nginx's answer to what it does not let in.
type refusal struct {
	status int
	reason string
}

// maxLine is the size of nginx's large_client_header_buffers, into one of which a line must fit with its end. That a request has
// four of them for all its lines is not looked at.
const maxLine = 8192

// accept does what nginx does before anything of APISIX runs.
func accept(in Request) (*request, *refusal) {
	r := &request{method: in.Method, scheme: in.Scheme, serverName: in.ServerName, originalDst: in.OriginalDst, inbound: in.Inbound, peer: in.Peer}
	if r.method == "" {
		r.method = http.MethodGet
	}
	if r.scheme == "" {
		r.scheme = "http"
	}
	if !validMethod(r.method) {
		return nil, &refusal{http.StatusBadRequest, "the method has a character that nginx does not take"}
	}
	if len(r.method)+len(" ")+len(in.Path)+len(" HTTP/1.1\r\n") > maxLine {
		return nil, &refusal{http.StatusRequestURITooLong, "the request line is longer than nginx's buffer"}
	}
	authority, refused := r.takeTarget(in.Path)
	if refused != nil {
		return nil, refused
	}
	if refused := r.headers(in.Header); refused != nil {
		return nil, refused
	}
	r.httpHost = strings.Trim(in.Host, " ")
	host, ok := nginxHost(r.httpHost)
	if !ok || len("Host: ")+len(in.Host)+len("\r\n") > maxLine {
		return nil, &refusal{http.StatusBadRequest, "nginx does not take the Host header"}
	}
	r.host = host
	if authority != "" {
		r.host = authority
	}
	if r.method == http.MethodConnect || r.method == http.MethodTrace {
		return nil, &refusal{http.StatusMethodNotAllowed, "nginx does not take the method " + r.method}
	}
	r.forwarded()
	r.address(in.Source)
	return r, nil
}

func validMethod(m string) bool {
	for i := range len(m) {
		if c := m[i]; (c < 'A' || c > 'Z') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// uniqueHeaders may be sent once only.
var uniqueHeaders = []string{
	"authorization", "content-length", "expect", "host", "if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since",
	"transfer-encoding",
}

// headers keeps what nginx keeps, with underscores_in_headers and ignore_invalid_headers on.
func (r *request) headers(h http.Header) *refusal {
	r.header = make(map[string][]string, len(h)+3)
	for name, values := range h {
		if len(values) > 0 {
			r.names = append(r.names, name)
		}
	}
	slices.Sort(r.names)
	counts := map[string]int{"host": 1}
	r.names = slices.DeleteFunc(r.names, func(name string) bool { return !keptHeader(name) && acceptedHeader(name) })
	for _, name := range r.names {
		if !acceptedHeader(name) {
			return &refusal{http.StatusBadRequest, "nginx does not take the name of a header"}
		}
		lower := asciiLower(name)
		for _, v := range h[name] {
			if strings.ContainsAny(v, "\r\n\x00") || len(name)+len(": ")+len(v)+len("\r\n") > maxLine {
				return &refusal{http.StatusBadRequest, "nginx does not take the value of the header " + lower}
			}
			r.header[name] = append(r.header[name], strings.Trim(v, " "))
		}
		if counts[lower] += len(h[name]); counts[lower] > 1 && slices.Contains(uniqueHeaders, lower) {
			return &refusal{http.StatusBadRequest, "nginx takes the header " + lower + " once only"}
		}
	}
	return nil
}

// acceptedHeader is false for a name that makes nginx refuse the request.
func acceptedHeader(name string) bool {
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c == 0x7f || c == ':' {
			return false
		}
	}
	return name != ""
}

// keptHeader is false for a name that makes nginx drop the header.
func keptHeader(name string) bool {
	for i := range len(name) {
		c := name[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return name != ""
}

// forwarded sets what APISIX sets in every request, where the client did not: it is trusted (apisix.trusted_addresses).
func (r *request) forwarded() {
	port := "80"
	if r.scheme == "https" {
		port = "443"
	}
	// Without a port in the Host header that is the listener's, which is not known here.
	if p := hostPort(r.httpHost); p != "" {
		port = p
	}
	for _, h := range []struct{ name, value string }{
		{"X-Forwarded-Proto", r.scheme}, {"X-Forwarded-Host", r.httpHost}, {"X-Forwarded-Port", port},
	} {
		if sent := r.headerVar("http_" + strings.ReplaceAll(strings.ToLower(h.name), "-", "_")); sent.ok && sent.text != "" {
			h.value = sent.text
		}
		r.setHeader(h.name, h.value)
	}
	if sent := r.headerVar("http_forwarded"); !sent.ok || sent.text == "" {
		r.removeHeader("Forwarded")
	} else {
		r.setHeader("Forwarded", sent.text)
	}
}

// address finds $remote_addr: APISIX trusts X-Real-IP from 127.0.0.1.
func (r *request) address(source netip.Addr) {
	local := clientAddress(netip.Addr{})
	source = clientAddress(source)
	r.source = source
	if source == local {
		i := slices.IndexFunc(r.names, func(name string) bool { return asciiLower(name) == "x-real-ip" })
		if i >= 0 {
			source = realIP(r.header[r.names[i]][0], source)
		}
	}
	r.remoteAddr = source.String()
}

// clientAddress is what nginx makes of a client's address.
func clientAddress(source netip.Addr) netip.Addr {
	if !source.IsValid() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return source.Unmap().WithZone("")
}

// realIP is the last address of a list, or otherwise where that is none.
func realIP(list string, otherwise netip.Addr) netip.Addr {
	list = strings.TrimRight(list, " ,")
	last := list[strings.LastIndexAny(list, " ,")+1:]
	a, err := netip.ParseAddr(last)
	if err != nil {
		var ap netip.AddrPort
		if ap, err = netip.ParseAddrPort(last); err == nil {
			a = ap.Addr()
		}
	}
	if err != nil || a.Zone() != "" {
		return otherwise
	}
	return a
}

func (r *request) removeHeader(name string) {
	r.names = slices.DeleteFunc(r.names, func(n string) bool {
		if strings.EqualFold(n, name) {
			delete(r.header, n)
			return true
		}
		return false
	})
}

func (r *request) setHeader(name, v string) {
	r.removeHeader(name)
	r.names = append(r.names, name)
	r.header[name] = []string{v}
}

func (r *request) addHeader(name, v string) {
	for _, n := range r.names {
		if strings.EqualFold(n, name) {
			r.header[n] = append(slices.Clip(r.header[n]), v)
			return
		}
	}
	r.setHeader(name, v)
}

// asciiLower is Lua's and nginx's idea of lower case.
func asciiLower(s string) string {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' {
			b := []byte(s)
			for j := i; j < len(b); j++ {
				if b[j] >= 'A' && b[j] <= 'Z' {
					b[j] |= 0x20
				}
			}
			return string(b)
		}
	}
	return s
}
