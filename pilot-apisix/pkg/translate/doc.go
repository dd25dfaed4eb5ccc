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

// Package translate turns the intermediate representation into APISIX resources, one small file per feature.
//
// What comes in is an ir.Config, what goes out is an Output: resources in canonical JSON with stable ids, and the
// diagnostics of what could not be carried exactly. pilot-apisix/pkg/xds and apisixctl call it. It reads neither
// Istio's model nor xDS.
package translate
