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

package agent

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/lua"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/store"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// always are APISIX's own plugins that the control plane uses wherever requests are shared.
var always = []string{"traffic-split"}

// usedPlugins knows which plugins resources use: APISIX loads no others. A resource that stays is read once.
type usedPlugins struct {
	by map[*store.Resource][]string
}

// of are the plugins for HTTP and for streams that resources use, with those of our own.
func (u *usedPlugins) of(resources []*store.Resource) (http, stream []string) {
	by := make(map[*store.Resource][]string, len(u.by))
	used, streamUsed := map[string]struct{}{}, map[string]struct{}{}
	ours := map[bool][]string{false: append(lua.Plugins(), always...), true: append(lua.StreamPlugins(), always...)}
	for _, r := range resources {
		if !bytes.Contains(r.JSON, pluginsKey) {
			continue
		}
		names, known := u.by[r]
		if !known {
			names = pluginsOf(r, ours[r.Kind == apisix.StreamRoutes])
		}
		by[r] = names
		into := used
		if r.Kind == apisix.StreamRoutes {
			into = streamUsed
		}
		for _, name := range names {
			into[name] = struct{}{}
		}
	}
	u.by = by
	return slices.AppendSeq(ours[false], maps.Keys(used)), slices.AppendSeq(ours[true], maps.Keys(streamUsed))
}

var pluginsKey = []byte(`"plugins":`)

// pluginsOf are the names of the plugins that a resource has, but those which are always loaded.
func pluginsOf(r *store.Resource, loaded []string) []string {
	var object struct {
		Plugins map[string]json.RawMessage `json:"plugins"`
	}
	if err := json.Unmarshal(r.JSON, &object); err != nil {
		return nil
	}
	var out []string
	for name := range object.Plugins {
		if !slices.Contains(loaded, name) {
			out = append(out, name)
		}
	}
	return out
}
