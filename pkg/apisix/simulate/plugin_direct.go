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
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// direct is mesh-direct-response.
type direct struct {
	nothing
	status int
	body   string
}

func parseDirect(raw json.RawMessage) (plugin, error) {
	conf, err := decodeConf[struct {
		Status int    `json:"status"`
		Body   string `json:"body"`
		Base64 string `json:"body_base64"`
	}](raw)
	if err != nil {
		return nil, err
	}
	if !validStatus(conf.Status) {
		return nil, fmt.Errorf("the status %d is not within 200 and 599", conf.Status)
	}
	d := &direct{status: conf.Status, body: conf.Body}
	if conf.Base64 != "" {
		b, err := base64.StdEncoding.DecodeString(conf.Base64)
		if err != nil {
			return nil, err
		}
		d.body = string(b)
	}
	return d, nil
}

func (d *direct) access(e *exchange) {
	e.routed = true
	e.why.add("mesh-direct-response answers %d", d.status)
	e.respond(e.localReply(d.status, d.body, -1))
}
