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

// VarHashKey is the variable that the plugin mesh-hash sets, for upstreams of type CHash to hash. APISIX lets them hash a few
// variables only, and any that looks like a query parameter.
const VarHashKey = "arg_mesh_hash_key"

// MeshHash is the plugin mesh-hash: it puts the key of a consistent hash together.
type MeshHash struct {
	Keys []HashKey
	// Cookies are made for requests without them.
	Cookies []HashCookie
}

// HashKey is one part of the key; exactly one of its fields is set.
type HashKey struct {
	Header, Query, Cookie string
	SourceIP              bool
}

// HashCookie is a cookie of Keys.
type HashCookie struct {
	Name string
	// TTL in seconds; 0 is as long as the client runs.
	TTL        int
	Path       string
	Attributes []CookieAttribute
}

// CookieAttribute is one more attribute; Value may be empty.
type CookieAttribute struct{ Name, Value string }

// PluginName implements Plugin.
func (*MeshHash) PluginName() string { return "mesh-hash" }

// AppendJSON implements Plugin.
func (h *MeshHash) AppendJSON(b []byte) []byte {
	o := beginObject(b)
	if len(h.Cookies) > 0 {
		o.key("cookies")
		o.b = append(o.b, '[')
		for i := range h.Cookies {
			if i > 0 {
				o.b = append(o.b, ',')
			}
			o.b = h.Cookies[i].appendJSON(o.b)
		}
		o.b = append(o.b, ']')
	}
	o.key("keys")
	o.b = append(o.b, '[')
	for i, k := range h.Keys {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		m := beginObject(o.b)
		m.string("cookie", k.Cookie)
		m.string("header", k.Header)
		m.string("query", k.Query)
		m.bool("source_ip", k.SourceIP)
		o.b = m.end()
	}
	o.b = append(o.b, ']')
	return o.end()
}

func (c *HashCookie) appendJSON(b []byte) []byte {
	o := beginObject(b)
	if len(c.Attributes) > 0 {
		o.key("attributes")
		o.b = append(o.b, '[')
		for i, a := range c.Attributes {
			if i > 0 {
				o.b = append(o.b, ',')
			}
			m := beginObject(o.b)
			m.string("name", a.Name)
			m.string("value", a.Value)
			o.b = m.end()
		}
		o.b = append(o.b, ']')
	}
	o.string("name", c.Name)
	o.string("path", c.Path)
	o.int("ttl", c.TTL)
	return o.end()
}
