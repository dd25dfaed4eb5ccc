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

package oracle

import "strings"

// hello is a TLS ClientHello, made by hand: crypto/tls would refuse to send most of what is worth trying.
type hello struct {
	// name is the server name, byte for byte; without named there is no extension for it.
	name  string
	named bool
	// kind is that of the name, 0 for one of a host.
	kind byte
	// padding is how long the extensions before the name are.
	padding int
	// records is how many there are.
	records int
}

func u16(n int) string { return string([]byte{byte(n >> 8), byte(n)}) }

func extension(kind int, body string) string { return u16(kind) + u16(len(body)) + body }

// message is the hello without records around it.
func (h hello) message() string {
	extensions := extension(43, "\x02\x03\x04")
	for left := h.padding; left > 0; left -= 60000 {
		extensions += extension(21, strings.Repeat("\x00", min(left, 60000)))
	}
	if h.named {
		entry := string([]byte{h.kind}) + u16(len(h.name)) + h.name
		extensions += extension(0, u16(len(entry))+entry)
	}
	extensions += extension(16, "\x00\x03\x02h2")
	body := "\x03\x03" + strings.Repeat("r", 32) + "\x04sess" + "\x00\x04\x13\x01\x13\x02" + "\x01\x00" + u16(len(extensions)) + extensions
	return "\x01" + string([]byte{byte(len(body) >> 16)}) + u16(len(body)) + body
}

// wire is the hello as it is sent.
func (h hello) wire() string {
	m := h.message()
	size := max((len(m)+h.records-1)/h.records, 1)
	var b strings.Builder
	for len(m) > 0 {
		n := min(size, len(m))
		b.WriteString("\x16\x03\x01" + u16(n) + m[:n])
		m = m[n:]
	}
	return b.String()
}
