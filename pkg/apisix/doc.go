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

// Package apisix speaks APISIX's language: typed resources with canonical JSON, stable identifiers, the order in which
// kinds depend on each other, and a check against APISIX's own JSON schema.
//
// What comes in are plain Go values; what goes out are the bytes that APISIX reads from its configuration center. The
// translator, the sidecar's agent, the simulator and the tests call it. It knows nothing of Istio and nothing of xDS.
package apisix
