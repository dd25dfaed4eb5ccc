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

import "strings"

// Kind is a directory of APISIX's configuration center, such as "routes" in /apisix/routes/1.
type Kind string

// The kinds of APISIX 3.18 that its data plane reads, by their directory.
const (
	Protos         Kind = "protos"
	Secrets        Kind = "secrets"
	SSLs           Kind = "ssls"
	PluginMetadata Kind = "plugin_metadata"
	ConsumerGroups Kind = "consumer_groups"
	Consumers      Kind = "consumers"
	Upstreams      Kind = "upstreams"
	Services       Kind = "services"
	PluginConfigs  Kind = "plugin_configs"
	GlobalRules    Kind = "global_rules"
	StreamRoutes   Kind = "stream_routes"
	Routes         Kind = "routes"
)

// Kinds lists every kind so that each one stands after those it may refer to. Whoever applies a change writes in this
// order and deletes in the reverse one, so that no resource ever names one that is not there.
var Kinds = []Kind{
	Protos, Secrets, SSLs, PluginMetadata, ConsumerGroups, Consumers,
	Upstreams, Services, PluginConfigs, GlobalRules, StreamRoutes, Routes,
}

var kindOrder = func() map[Kind]int {
	m := make(map[Kind]int, len(Kinds))
	for i, k := range Kinds {
		m[k] = i
	}
	return m
}()

// Order is the position of k in Kinds, and false for a kind that APISIX does not have.
func (k Kind) Order() (int, bool) {
	i, ok := kindOrder[k]
	return i, ok
}

// Name is the name under which a resource travels in xDS: "<kind>/<id>".
func Name(k Kind, id string) string {
	return string(k) + "/" + id
}

// SplitName is the inverse of Name. It is false when name has no kind that APISIX knows, or an id that APISIX refuses.
func SplitName(name string) (Kind, string, bool) {
	k, id, ok := strings.Cut(name, "/")
	if !ok || !ValidID(id) {
		return "", "", false
	}
	if _, known := kindOrder[Kind(k)]; !known {
		return "", "", false
	}
	return Kind(k), id, true
}
