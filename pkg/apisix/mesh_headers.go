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

// The plugins whose names begin with "mesh-" are those of this project (pilot-apisix/lua), which a stock APISIX loads for what
// Envoy does and its own plugins do not, or not in the same way.

// MeshHeaders is the plugin mesh-headers: it changes the headers of requests and responses.
type MeshHeaders struct {
	Request, Response HeaderOperations
}

// HeaderOperations are all removals, then values in their order.
type HeaderOperations struct {
	Remove []string
	Values []HeaderValue
}

// Empty says that nothing is done.
func (o *HeaderOperations) Empty() bool { return len(o.Remove) == 0 && len(o.Values) == 0 }

// HeaderValue sets a header, or adds a value to it when Append is set.
type HeaderValue struct {
	Name   string
	Value  []ValuePart
	Append bool
}

// ValuePart is literal text, or the value of a variable of nginx or APISIX, such as "remote_addr".
type ValuePart struct {
	Literal, Var string
}

// PluginName implements Plugin.
func (*MeshHeaders) PluginName() string { return "mesh-headers" }

// AppendJSON implements Plugin.
func (h *MeshHeaders) AppendJSON(b []byte) []byte {
	o := beginObject(b)
	o.operations("request", &h.Request)
	o.operations("response", &h.Response)
	return o.end()
}

func (o *object) operations(key string, ops *HeaderOperations) {
	if ops.Empty() {
		return
	}
	o.key(key)
	m := beginObject(o.b)
	if len(ops.Remove) > 0 {
		m.key("remove")
		m.b = AppendStrings(m.b, ops.Remove)
	}
	if len(ops.Values) > 0 {
		m.key("values")
		m.b = append(m.b, '[')
		for i := range ops.Values {
			if i > 0 {
				m.b = append(m.b, ',')
			}
			m.b = ops.Values[i].appendJSON(m.b)
		}
		m.b = append(m.b, ']')
	}
	o.b = m.end()
}

func (v *HeaderValue) appendJSON(b []byte) []byte {
	o := beginObject(b)
	o.bool("append", v.Append)
	o.key("name")
	o.b = AppendString(o.b, v.Name)
	o.key("value")
	o.b = appendValueParts(o.b, v.Value)
	return o.end()
}

// appendValueParts writes text alone as a string, anything else as a list of strings and {"var": …}.
func appendValueParts(b []byte, parts []ValuePart) []byte {
	if len(parts) == 0 {
		return append(b, '"', '"')
	}
	if len(parts) == 1 && parts[0].Var == "" {
		return AppendString(b, parts[0].Literal)
	}
	b = append(b, '[')
	for i, p := range parts {
		if i > 0 {
			b = append(b, ',')
		}
		if p.Var == "" {
			b = AppendString(b, p.Literal)
			continue
		}
		o := beginObject(b)
		o.string("var", p.Var)
		b = o.end()
	}
	return append(b, ']')
}
