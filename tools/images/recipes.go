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

package main

import (
	"slices"
	"strings"
)

// Where our files are in an image. The agent looks for the Lua plugins there.
const (
	binDir = "usr/local/bin"
	luaDir = "usr/local/share/pilot-apisix/lua"
)

// proxyUser is the user of Istio's proxies: the rules that capture connections leave its own alone.
const proxyUser = 1337

// recipe is what one image has beyond its base. The Dockerfile of the same name in pilot-apisix/docker does the same; a test
// compares them.
type recipe struct {
	name        string
	description string
	// program is the one in --bin that is the entry point.
	program string
	// lua says that the Lua plugins are in the image.
	lua bool
	// user is UID:GID; names would hang on the base's /etc/passwd, and Kubernetes cannot tell whether they are root.
	user string
	// writable are the directories of proxyUser. In a pod, volumes are mounted there; without one the image runs all the same.
	writable []string
	// needs is a program that the base must have, or none.
	needs string
}

var recipes = []recipe{
	{
		name:        "pilot",
		description: "Istio control plane for Envoy and APISIX sidecars",
		program:     "pilot-discovery",
		user:        "1337:1337",
	},
	{
		name:        "proxyv2",
		description: "APISIX sidecar of an Istio mesh",
		program:     "pilot-agent",
		lua:         true,
		user:        "1337:1337",
		writable:    []string{"etc/istio/proxy", "var/lib/istio/data"},
	},
	{
		name:        "proxy_init",
		description: "Capture of a pod's connections for its APISIX sidecar",
		program:     "pilot-agent",
		// iptables asks for root, whatever capabilities another user has. It runs once, before the pod's containers.
		user:  "0:0",
		needs: "iptables-restore",
	},
}

func known(name string) bool {
	return slices.ContainsFunc(recipes, func(r recipe) bool { return r.name == name })
}

func names() string {
	var all []string
	for _, r := range recipes {
		all = append(all, r.name)
	}
	return strings.Join(all, ", ")
}
