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

// Package bootstrap makes `pilot-discovery`, a drop-in for Istio's binary of that name.
//
// What comes in is upstream's own command (flags, environment variables, subcommands, validation, all as they are) and a
// list of extensions; what goes out is the same command with another RunE, which makes upstream's server, lets the
// extensions register what they add, and starts it. Because upstream keeps the arguments that its flags fill in a private
// variable, they are read back from the flags by name (PilotArgs); a test compares the result with what upstream itself
// makes of the same command line. With `--registries= --configDir=DIR`, where upstream ends in a panic, it starts file
// mode (package filemode).
//
// # Debug pages
//
// Upstream's debug pages are served in three places: on the monitoring port (15014) and the HTTP port (8080), where
// callers that are not on the same host must authenticate, and over xDS for `istioctl x internal-debug`, for identities
// of the control plane's namespace. AddDebugHandler adds a page to all three, under upstream's rules. The mux for xDS is
// reachable by exported names. The other two are not, by any means that was found: they are unexported fields of the
// server, no exported function returns them, and no handler on them calls anything that an importer can set for
// every request. They are read with reflection, in one place (mux.go), which checks the name and type, gives an error in
// place of a panic when upstream changes, and has a test. The index of pages at /debug, a private map, does not list the
// added ones. What a proxy was sent of any type, also a custom one, is on upstream's own page:
// /debug/config_dump?proxyID=PROXY&types=TYPE_URL.
//
// cmd/pilot-discovery calls it.
package bootstrap
