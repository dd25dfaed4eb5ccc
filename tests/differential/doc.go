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

// Package differential plays the same requests against Envoy's configuration and APISIX's resources, both made from the same
// random Istio configuration, and says where they do not mean the same.
//
// What comes in is a seed, or files of configuration; what goes out are the counts, and for every disagreement that no
// diagnostic tells of the smallest configuration that shows it. Istio's side is the RouteConfiguration that istiod generates for
// an Envoy sidecar, read by an evaluator that follows Envoy's sources (envoy*_test.go) and that Istio's own simulation checks as
// far as that goes; ours is pkg/apisix/simulate. TestAuthorization does the same for
// AuthorizationPolicies, with the RBAC filters that istiod generates, and plays them with the plugin's own Lua besides. `make
// differential` runs it.
package differential
