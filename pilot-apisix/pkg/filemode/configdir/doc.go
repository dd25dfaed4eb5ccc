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

// Package configdir turns a directory of YAML into the objects of a mesh, and keeps the mesh as it was when a file is
// broken.
//
// What comes in are files: Kubernetes and Istio objects, as `kubectl apply -f` takes them. Each object is decoded
// strictly and validated as Istio's webhook would. What goes out is a Snapshot: the objects to serve, with the defaults
// that a Kubernetes API server would have added, and the files that were refused, each with line and reason. A refused
// file goes on serving its last good content until it is mended or removed. Watch tells when to look again.
//
// File mode (pilot-apisix/pkg/filemode) calls it, both in the control plane and offline.
package configdir
