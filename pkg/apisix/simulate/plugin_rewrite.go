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
	"fmt"
)

// rewrite is mesh-rewrite.
type rewrite struct {
	nothing
	uri          *prefixRewrite
	substitution *substitution
	authority    string
}

func parseRewrite(raw json.RawMessage) (plugin, error) {
	conf, err := decodeConf[struct {
		URI   *prefixRewrite `json:"uri"`
		Regex *struct {
			Pattern      string `json:"pattern"`
			Substitution string `json:"substitution"`
		} `json:"regex"`
		Authority string `json:"authority"`
	}](raw)
	if err != nil {
		return nil, err
	}
	r := &rewrite{uri: conf.URI, authority: conf.Authority}
	if conf.Regex != nil {
		if conf.URI != nil {
			return nil, errors.New("uri and regex exclude each other")
		}
		if r.substitution, err = newSubstitution(conf.Regex.Pattern, conf.Regex.Substitution); err != nil {
			return nil, fmt.Errorf("regex: %w", err)
		}
	}
	return r, nil
}

func (r *rewrite) access(e *exchange) {
	e.routed = true
	path, query, changed := "", "", false
	switch {
	case r.uri != nil && r.uri.Rewrite != "":
		path, query, changed = e.rewrittenPath(r.uri.Prefix, r.uri.Rewrite)
	case r.substitution != nil:
		path, query = e.originalPath()
		path, changed = r.substitution.apply(path), true
	}
	for _, t := range e.targets {
		if r.authority != "" {
			t.Request.Host = r.authority
		}
		if changed {
			t.Request.Path, t.rewritten = safePath(path)+query, true
			t.changeRequest(HeaderChange{Set, "x-envoy-original-path", e.raw})
		}
	}
}
