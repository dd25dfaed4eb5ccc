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

// Package lua carries the Lua plugins of the mesh: what Istio asks for and stock APISIX lacks. An APISIX loads them from a
// directory on its Lua path ("<directory>/?.lua", apisixconf's ExtraLuaPath), once they are among its plugins.
//
// What goes in is nothing; what goes out are the files, which Write puts into a directory, and the names of the plugins.
// The agent calls it for the APISIX beside it, and so do the demo and the tests that run a real one.
//
//	apisix/plugins/mesh-*.lua   the plugins, each with the JSON schema of its configuration
//	apisix/balancer/mesh.lua    the balancer of upstreams of the type "mesh": what DestinationRules ask for and APISIX's own lack
//	apisix/mesh/*.lua           what they share; all but target and reply know nothing of nginx
//	apisix/mesh/lb/*.lua        the parts of the balancer, which know nothing of nginx either
//	spec/                       tests of those, for busted on LuaJIT: make test-lua
//
// The order in which they run is Envoy's: mesh-fault, mesh-cors, then what the route does (mesh-redirect,
// mesh-direct-response, mesh-split, mesh-rewrite, mesh-headers), after the plugins of users, and at last mesh-mirror and
// mesh-retry.
package lua
