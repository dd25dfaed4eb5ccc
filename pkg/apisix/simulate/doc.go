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

// Package simulate plays an HTTP request, or a connection, against a set of APISIX resources and tells what APISIX 3.18 does
// with it, with apisix.router.http set to radixtree_host_uri and the config.yaml that the sidecar's agent renders.
//
// What comes in are the resources as APISIX reads them from its configuration center, and a request or a connection; what goes
// out is the route that takes it with the reasons, and what becomes of it: where it may go and with which share, how a request
// looks when it is forwarded, what is done to the response, or the answer that APISIX gives by itself. Tests call it to compare
// the translation with Envoy, and apisixctl to explain a request. It imports nothing but the package apisix.
//
// It follows the sources of nginx, lua-resty-radixtree, lua-resty-expr and APISIX, and our own Lua, down to what surprises;
// tests/oracle checks it against a real APISIX. What it cannot play it refuses (New names the resource) or lists in
// Result.NotSimulated; nothing is left out in silence. It rolls no dice: shares and percentages are told instead.
package simulate
