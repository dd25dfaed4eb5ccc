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
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/store"
)

// dumped is one resource in /config_dump.
type dumped struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// SHA256 is of the bytes that APISIX reads; not of secrets, which it might help to guess.
	SHA256  string   `json:"sha256,omitempty"`
	Sources []string `json:"sources,omitempty"`
	// Redacted is true when the object is shown without its secrets.
	Redacted bool            `json:"redacted,omitempty"`
	Object   json.RawMessage `json:"object"`
}

func dump(r *store.Resource) dumped {
	object, hidden := redact(r.Kind, r.JSON)
	d := dumped{Name: r.Name(), Version: r.Version, Redacted: hidden, Object: object}
	if r.Source != "" {
		d.Sources = strings.Split(r.Source, "\n")
	}
	if !hidden {
		sum := sha256.Sum256(r.JSON)
		d.SHA256 = hex.EncodeToString(sum[:])
	}
	return d
}

// configDump writes the resources one by one, so that a large configuration is never in memory twice. The query may
// name a kind (?kind=routes) or resources (?name=routes/a&name=…).
func (s *server) configDump(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	names := map[string]bool{}
	for _, n := range query["name"] {
		names[n] = true
	}
	kind := query.Get("kind")
	w.Header().Set("Content-Type", "application/json")
	write := func(text string) { _, _ = w.Write([]byte(text)) }
	write(`{"resources":[`)
	separator := "\n"
	for _, resource := range s.source.Resources() {
		if kind != "" && string(resource.Kind) != kind || len(names) > 0 && !names[resource.Name()] {
			continue
		}
		line, err := json.Marshal(dump(resource))
		if err != nil {
			continue
		}
		write(separator)
		_, _ = w.Write(line)
		separator = ",\n"
	}
	write("\n]}\n")
}
