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

// Package apiserver is a small Kubernetes API in the memory of one process: enough of it for istiod, which is its only
// client, to run as it does in a cluster, with no cluster.
//
// What comes in are the objects that a directory of YAML defines (Store.Replace, the whole set at once), and those that
// istiod itself writes: its CA's Secret, leader election locks, statuses, WorkloadEntries of agents that register. What
// goes out are LIST and WATCH answers with resource versions, as full objects or as metadata only, and answers to
// TokenReviews and SubjectAccessReviews, which the caller decides.
//
// The server listens on loopback with TLS and a bearer token of its own, both made at start and known only to the
// kubeconfig that it writes. It knows nothing of Istio: which kinds exist is told by the caller.
package apiserver
