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
	"bytes"
	"encoding/base64"
	"unicode/utf8"
)

// MeshDirectResponse is the plugin mesh-direct-response: it answers with a status and a body.
type MeshDirectResponse struct {
	Status int
	Body   []byte
}

// PluginName implements Plugin.
func (*MeshDirectResponse) PluginName() string { return "mesh-direct-response" }

// AppendJSON implements Plugin.
func (d *MeshDirectResponse) AppendJSON(b []byte) []byte {
	o := beginObject(b)
	// APISIX takes "$env://…" and "$secret://…" for references to secrets.
	if utf8.Valid(d.Body) && !bytes.HasPrefix(d.Body, []byte("$")) {
		o.string("body", string(d.Body))
	} else {
		o.string("body_base64", base64.StdEncoding.EncodeToString(d.Body))
	}
	o.int("status", d.Status)
	return o.end()
}
