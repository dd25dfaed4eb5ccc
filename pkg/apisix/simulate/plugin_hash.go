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

package simulate

import (
	"encoding/json"
	"errors"
)

// hash is mesh-hash, which chooses among the nodes of an upstream, and makes cookies.
type hash struct {
	nothing
	cookies []string
}

func parseHash(raw json.RawMessage) (plugin, error) {
	conf, err := decodeConf[struct {
		Keys []struct {
			Header   string `json:"header"`
			Query    string `json:"query"`
			Cookie   string `json:"cookie"`
			SourceIP bool   `json:"source_ip"`
		} `json:"keys"`
		Cookies []struct {
			Name       string          `json:"name"`
			TTL        int             `json:"ttl"`
			Path       string          `json:"path"`
			Attributes json.RawMessage `json:"attributes"`
		} `json:"cookies"`
	}](raw)
	if err != nil {
		return nil, err
	}
	h := &hash{}
	for _, c := range conf.Cookies {
		if c.Name == "" {
			return nil, errors.New("a cookie has no name")
		}
		h.cookies = append(h.cookies, c.Name)
	}
	return h, nil
}

func (h *hash) access(e *exchange) {
	for _, name := range h.cookies {
		if v := e.now().lookup("cookie_" + name); v.text == "" {
			e.why.add("mesh-hash: the response gets a cookie %s, which keeps the client on its endpoint", name)
		}
	}
}
