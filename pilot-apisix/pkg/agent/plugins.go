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

// usedPlugins knows what resources use that config.yaml has to name. A resource that stays is read once.
type usedPlugins struct {
	by map[*store.Resource]use
}

// use is what one resource uses: plugins, but those that are always loaded, and the class of its retries, if it has one that
// may not be there.
type use struct {
	plugins    []string
	retryClass string
}

// used is what all resources use, with what is our own.
type used struct {
	// http and stream are plugins: APISIX loads no others.
	http, stream []string
	// retryClasses are in order, each once.
	retryClasses []string
}

// of is what resources use.
func (u *usedPlugins) of(resources []*store.Resource) used {
	by := make(map[*store.Resource]use, len(u.by))
	http, stream, classes := map[string]struct{}{}, map[string]struct{}{}, map[string]struct{}{}
	ours := map[bool][]string{false: append(lua.Plugins(), always...), true: append(lua.StreamPlugins(), always...)}
	for _, r := range resources {
		if !bytes.Contains(r.JSON, pluginsKey) {
			continue
		}
		uses, known := u.by[r]
		if !known {
			uses = useOf(r, ours[r.Kind == apisix.StreamRoutes])
		}
		by[r] = uses
		into := http
		if r.Kind == apisix.StreamRoutes {
			into = stream
		}
		for _, name := range uses.plugins {
			into[name] = struct{}{}
		}
		if uses.retryClass != "" {
			classes[uses.retryClass] = struct{}{}
		}
	}
	u.by = by
	return used{
		http: slices.AppendSeq(ours[false], maps.Keys(http)), stream: slices.AppendSeq(ours[true], maps.Keys(stream)),
		retryClasses: slices.Sorted(maps.Keys(classes)),
	}
}

var pluginsKey = []byte(`"plugins":`)

// useOf is what a resource uses beside the plugins that are always loaded.
func useOf(r *store.Resource, loaded []string) use {
	var object struct {
		Plugins map[string]json.RawMessage `json:"plugins"`
	}
	if err := json.Unmarshal(r.JSON, &object); err != nil {
		return use{}
	}
	var out use
	for name := range object.Plugins {
		if !slices.Contains(loaded, name) {
			out.plugins = append(out.plugins, name)
		}
	}
	var retry struct {
		On       []string `json:"on"`
		Statuses []int    `json:"statuses"`
	}
	if conf := object.Plugins[retryPlugin]; conf != nil && json.Unmarshal(conf, &retry) == nil && len(retry.Statuses) > 0 {
		class := apisix.RetryClass(retry.On, retry.Statuses)
		if _, ok := apisix.RetryClassStatuses(class); ok {
			out.retryClass = class
		}
	}
	return out
}

// retryPlugin is apisix.MeshRetry's.
const retryPlugin = "mesh-retry"
