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

// Package ingest reads Istio's model: from a push context and a proxy it makes the intermediate representation of what
// that proxy must do with the requests and connections from and to its workload.
//
// What comes in is an Input, what goes out is an ir.Config. pilot-apisix/pkg/generate calls it. It is the only package
// that reads Istio's configuration: it follows pilot/pkg/networking/core (listeners, virtual hosts, routes, clusters) and
// pilot/pkg/xds/endpoints, whose decisions it takes over where they are exported and repeats where they are not.
package ingest
