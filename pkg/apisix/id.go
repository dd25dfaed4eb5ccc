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
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// MaxIDLength is the length that APISIX allows an id ("maxLength" of its id schema).
const MaxIDLength = 64

// idHashLength is the number of hexadecimal digits that tell two ids apart when their readable parts are cut or lose
// characters: 64 bits, so that a mesh of a million resources meets a collision once in 37 million meshes.
const idHashLength = 16

// ValidID reports whether APISIX accepts id: 1 to 64 characters of [a-zA-Z0-9-_.].
func ValidID(id string) bool {
	if id == "" || len(id) > MaxIDLength {
		return false
	}
	for i := range len(id) {
		if !validIDByte(id[i]) {
			return false
		}
	}
	return true
}

func validIDByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.'
}

// ID makes a stable id from parts, readable where APISIX's rules for ids allow it. The same parts always give the same
// id, and different parts give different ones: whenever the readable form alone would not tell them apart (it is too
// long, or a part has a character that ids cannot have, or the separator itself), a hash of the parts is appended.
func ID(parts ...string) string {
	n := len(parts) - 1
	exact := true
	for _, p := range parts {
		n += len(p)
		for i := range len(p) {
			// "_" separates the parts, so that a part which contains one is not exact either.
			if !validIDByte(p[i]) || p[i] == '_' {
				exact = false
			}
		}
	}
	limit := MaxIDLength
	if !exact || n > MaxIDLength || n <= 0 {
		exact = false
		limit = MaxIDLength - idHashLength - 1
	}
	var b strings.Builder
	b.Grow(MaxIDLength)
	for i, p := range parts {
		if i > 0 && b.Len() < limit {
			b.WriteByte('_')
		}
		for j := 0; j < len(p) && b.Len() < limit; j++ {
			if c := p[j]; validIDByte(c) {
				b.WriteByte(c)
			} else {
				b.WriteByte('-')
			}
		}
	}
	if exact {
		return b.String()
	}
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	sum := h.Sum(nil)
	b.WriteByte('-')
	b.WriteString(hex.EncodeToString(sum[:idHashLength/2]))
	return b.String()
}

// ValidHost reports whether APISIX accepts host as a route's host or a node's address: its pattern is
// ^\*$|^\*?[0-9a-zA-Z-._\[\]:]+$.
func ValidHost(host string) bool {
	if host == "*" {
		return true
	}
	host = strings.TrimPrefix(host, "*")
	for i := range len(host) {
		if c := host[i]; !validIDByte(c) && c != '[' && c != ']' && c != ':' {
			return false
		}
	}
	return host != ""
}
