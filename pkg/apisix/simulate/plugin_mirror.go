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
	"slices"
	"strings"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// mirror is mesh-mirror.
type mirror struct {
	nothing
	mirrors []Mirror
}

func parseMirror(raw json.RawMessage) (plugin, error) {
	conf, err := decodeConf[struct {
		Mirrors []struct {
			UpstreamID id       `json:"upstream_id"`
			Percentage *float64 `json:"percentage"`
		} `json:"mirrors"`
	}](raw)
	if err != nil {
		return nil, err
	}
	m := &mirror{}
	for _, in := range conf.Mirrors {
		percent := 100.0
		if in.Percentage != nil {
			percent = millionths(*in.Percentage)
		}
		if percent > 0 {
			m.mirrors = append(m.mirrors, Mirror{UpstreamID: string(in.UpstreamID), Percent: percent})
		}
	}
	return m, nil
}

// beforeProxy copies neither gRPC nor what upgrades, and nothing to an upstream without a node that has weight.
func (m *mirror) beforeProxy(e *exchange) {
	reachable := e.targets[slices.IndexFunc(e.targets, func(t *target) bool { return t.Status == 0 })]
	state := reachable.state
	if state.headerVar("http_upgrade").ok || isGRPC(state.headerVar("http_content_type").text) {
		return
	}
	first := reachable.Request
	if !reachable.rewritten {
		// What nginx forwards as it was sent, the copy has as it is meant.
		path, query := e.originalPath()
		first.Path = safePath(path) + query
	}
	for _, copied := range m.mirrors {
		if u := e.config.upstreams[copied.UpstreamID]; u == nil || !weighted(u.Nodes) {
			e.why.add("mesh-mirror: upstream %s has no nodes", copied.UpstreamID)
			continue
		}
		copied.Host, copied.Path = shadowHost(first.Host), first.Path
		e.result.Mirrors = append(e.result.Mirrors, copied)
	}
}

func weighted(nodes []apisix.Node) bool {
	for _, n := range nodes {
		if n.Weight > 0 {
			return true
		}
	}
	return false
}

// shadowHost appends -shadow to a host, before its port.
func shadowHost(host string) string {
	port := hostPort(host)
	name := strings.TrimSuffix(host, ":"+port)
	if port == "" || !strings.HasPrefix(host, "[") && strings.Contains(name, ":") {
		return host + "-shadow"
	}
	return name + "-shadow:" + port
}
