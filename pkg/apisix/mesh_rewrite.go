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

// MeshRewrite is the plugin mesh-rewrite: it changes path and host of a request. At most one of URI and Regex is set.
type MeshRewrite struct {
	URI   *PrefixRewrite
	Regex *RegexRewrite
	// Authority replaces the host; empty leaves it.
	Authority string
}

// RegexRewrite replaces every match of a PCRE in the path. In Substitution "$1" and "${1}" are the first group, "$$" a dollar.
type RegexRewrite struct {
	Pattern, Substitution string
}

// PluginName implements Plugin.
func (*MeshRewrite) PluginName() string { return "mesh-rewrite" }

// AppendJSON implements Plugin.
func (r *MeshRewrite) AppendJSON(b []byte) []byte {
	o := beginObject(b)
	o.string("authority", r.Authority)
	if r.Regex != nil {
		o.key("regex")
		m := beginObject(o.b)
		m.string("pattern", r.Regex.Pattern)
		m.key("substitution")
		m.b = AppendString(m.b, r.Regex.Substitution)
		o.b = m.end()
	}
	if r.URI != nil {
		o.key("uri")
		o.b = r.URI.appendJSON(o.b)
	}
	return o.end()
}
