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

package status

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

const redacted = "[redacted]"

// secretKeys are the names of secret fields anywhere in an APISIX object: in lower case, without "-" and "_".
var secretKeys = map[string]bool{
	"accesskeyid": true, "accesskeysecret": true, "accesstoken": true, "apikey": true, "authtoken": true,
	"clientkey": true, "clientsecret": true, "headersecret": true, "password": true, "passwd": true,
	"privatekey": true, "redispassword": true, "secret": true, "secretaccesskey": true, "secretkey": true,
	"sessionsecret": true, "sslkey": true, "token": true, "authorization": true,
}

// secretEndings are endings of such names.
var secretEndings = []string{"password", "secret", "privatekey", "secretkey", "token"}

// opaque are the kinds whose every text may be a secret, but for a few fields.
var opaque = map[apisix.Kind]bool{apisix.Secrets: true, apisix.Consumers: true, apisix.ConsumerGroups: true}

// plain are the fields of an opaque kind that are shown.
var plain = map[string]bool{"id": true, "username": true, "desc": true, "name": true, "group_id": true, "labels": true}

// redact returns the object without its secrets, and whether there was one. What cannot be read is not shown at all.
func redact(kind apisix.Kind, object []byte) (json.RawMessage, bool) {
	decoder := json.NewDecoder(bytes.NewReader(object))
	decoder.UseNumber()
	var v map[string]any
	if err := decoder.Decode(&v); err != nil {
		return json.RawMessage(`"[unreadable]"`), true
	}
	found := false
	for k := range v {
		switch {
		case opaque[kind] && !plain[k]:
			v[k], found = redacted, true
		case kind == apisix.SSLs && (k == "key" || k == "keys"):
			v[k], found = redacted, true
		}
	}
	if walk(v) {
		found = true
	}
	if !found {
		return object, false
	}
	out, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage(`"[unreadable]"`), true
	}
	return out, true
}

// walk takes the secret fields out of v and of everything in it.
func walk(v any) bool {
	found := false
	switch t := v.(type) {
	case map[string]any:
		for k, inner := range t {
			if isSecret(k) && inner != redacted {
				t[k], found = redacted, true
			} else if walk(inner) {
				found = true
			}
		}
	case []any:
		for _, inner := range t {
			if walk(inner) {
				found = true
			}
		}
	}
	return found
}

var squash = strings.NewReplacer("-", "", "_", "")

func isSecret(key string) bool {
	k := squash.Replace(strings.ToLower(key))
	if secretKeys[k] {
		return true
	}
	for _, ending := range secretEndings {
		if strings.HasSuffix(k, ending) {
			return true
		}
	}
	return false
}
