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

package etcdapi

import "strings"

// initDir is the value that APISIX's own tools give to a directory. It is not JSON on purpose: APISIX tells a directory
// from a resource by a value that cannot be decoded.
var initDir = []byte("init_dir")

// Directories returns the directories of APISIX 3.18 (apisix/constants.lua, HTTP_ETCD_DIRECTORY and
// STREAM_ETCD_DIRECTORY together).
func Directories() []string {
	return []string{
		"consumer_groups", "consumers", "global_rules", "plugin_configs", "plugin_metadata", "plugins", "protos", "routes",
		"secrets", "services", "ssls", "stream_routes", "upstreams",
	}
}

// InitDirs returns the operations that create the directory keys <prefix>/<dir>/, in the order of dirs. APISIX preloads
// a kind only if its directory is there; otherwise every worker reads that kind on its own after it has started.
func InitDirs(prefix string, dirs []string) []Op {
	ops := make([]Op, 0, len(dirs))
	for _, d := range dirs {
		if d = strings.Trim(d, "/"); d != "" {
			ops = append(ops, Op{Key: strings.TrimRight(prefix, "/") + "/" + d + "/", Value: initDir})
		}
	}
	return ops
}
