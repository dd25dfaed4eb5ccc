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

// MeshCORS is the plugin mesh-cors. Empty strings add no header.
type MeshCORS struct {
	AllowOrigins               []OriginMatch
	AllowMethods, AllowHeaders string
	ExposeHeaders, MaxAge      string
	AllowCredentials           bool
	// AnswerUnmatchedPreflights is the opposite of its forward_not_matching_preflights.
	AnswerUnmatchedPreflights bool
}

// OriginMatch compares an origin; exactly one of its fields is set.
type OriginMatch struct {
	Exact, Prefix *string
	// Regex is a PCRE with anchors of its own.
	Regex string
}

// PluginName implements Plugin.
func (*MeshCORS) PluginName() string { return "mesh-cors" }

// AppendJSON implements Plugin.
func (c *MeshCORS) AppendJSON(b []byte) []byte {
	o := beginObject(b)
	o.bool("allow_credentials", c.AllowCredentials)
	o.string("allow_headers", c.AllowHeaders)
	o.string("allow_methods", c.AllowMethods)
	o.key("allow_origins")
	o.b = append(o.b, '[')
	for i, m := range c.AllowOrigins {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = m.appendJSON(o.b)
	}
	o.b = append(o.b, ']')
	o.string("expose_headers", c.ExposeHeaders)
	if c.AnswerUnmatchedPreflights {
		o.key("forward_not_matching_preflights")
		o.b = append(o.b, "false"...)
	}
	o.string("max_age", c.MaxAge)
	return o.end()
}

func (m *OriginMatch) appendJSON(b []byte) []byte {
	o := beginObject(b)
	switch {
	case m.Exact != nil:
		o.key("exact")
		o.b = AppendString(o.b, *m.Exact)
	case m.Prefix != nil:
		o.key("prefix")
		o.b = AppendString(o.b, *m.Prefix)
	default:
		o.string("regex", m.Regex)
	}
	return o.end()
}
