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

// MeshRedirect is the plugin mesh-redirect. What is not set is taken from the request.
type MeshRedirect struct {
	Code              int
	Scheme, Authority string
	Port              int
	// Path replaces the whole path; PrefixRewrite a part of it instead.
	Path          string
	PrefixRewrite *PrefixRewrite
}

// PrefixRewrite puts Rewrite in the place of Prefix, or of the whole path when Prefix is empty.
type PrefixRewrite struct {
	Prefix, Rewrite string
}

func (p *PrefixRewrite) appendJSON(b []byte) []byte {
	o := beginObject(b)
	o.string("prefix", p.Prefix)
	o.key("rewrite")
	o.b = AppendString(o.b, p.Rewrite)
	return o.end()
}

// PluginName implements Plugin.
func (*MeshRedirect) PluginName() string { return "mesh-redirect" }

// AppendJSON implements Plugin.
func (r *MeshRedirect) AppendJSON(b []byte) []byte {
	o := beginObject(b)
	o.string("authority", r.Authority)
	o.int("code", r.Code)
	o.string("path", r.Path)
	if r.Port != 0 {
		o.int("port", r.Port)
	}
	if r.PrefixRewrite != nil {
		o.key("prefix_rewrite")
		o.b = r.PrefixRewrite.appendJSON(o.b)
	}
	o.string("scheme", r.Scheme)
	return o.end()
}
