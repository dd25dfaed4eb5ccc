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

package xds

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/translate"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// redacted stands for a secret on a page.
const redacted = "[redacted]"

// secretWords are parts of the names of fields whose values are secrets, in plugins, in the kinds that hold credentials
// and in headers that a route sets.
var secretWords = []string{
	"password", "passwd", "passphrase", "secret", "token", "credential", "authorization", "cookie",
	"private_key", "client_key", "access_key", "api_key", "apikey",
}

// Redact gives the JSON of r as people may see it.
func Redact(r *translate.Resource) json.RawMessage { return redact(r) }

// redact gives the JSON of r without secrets. What cannot be read is left out entirely.
func redact(r *translate.Resource) json.RawMessage {
	var object any
	decoder := json.NewDecoder(bytes.NewReader(r.JSON))
	decoder.UseNumber()
	if err := decoder.Decode(&object); err != nil {
		return json.RawMessage(`"` + redacted + `"`)
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(withoutSecrets(r.Kind, object)); err != nil {
		return json.RawMessage(`"` + redacted + `"`)
	}
	return bytes.TrimSpace(b.Bytes())
}

// withoutSecrets works in place.
func withoutSecrets(kind apisix.Kind, value any) any {
	switch value := value.(type) {
	case map[string]any:
		for name, field := range value {
			if secret(kind, name) {
				value[name] = redacted
			} else {
				value[name] = withoutSecrets(kind, field)
			}
		}
	case []any:
		for i := range value {
			value[i] = withoutSecrets(kind, value[i])
		}
	}
	return value
}

func secret(kind apisix.Kind, field string) bool {
	field = strings.ReplaceAll(strings.ToLower(field), "-", "_")
	switch kind {
	case apisix.SSLs, apisix.Secrets, apisix.Consumers:
		// Elsewhere "key" is what to hash or to count by.
		if field == "key" || field == "keys" {
			return true
		}
	}
	for _, word := range secretWords {
		if strings.Contains(field, word) {
			return true
		}
	}
	return false
}
