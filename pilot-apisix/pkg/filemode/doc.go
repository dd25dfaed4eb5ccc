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

// Package filemode runs istiod without Kubernetes, on a directory of YAML.
//
// What comes in is a directory, of files as `kubectl apply -f` takes them; what goes out is istiod as it is in a cluster.
// Upstream cannot start there: `--registries= --configDir=DIR` ends in a nil dereference, and its file store knows only
// Istio's own kinds, reads no Services, and stops reading anything at all while one file is broken. So a small Kubernetes
// API in the same process (package apiserver) serves the directory (package configdir), and istiod is pointed to it with a
// kubeconfig. From there on everything is upstream's: Services with selectors find their WorkloadEntries, ServiceEntries
// get their addresses, Gateway API routes work, statuses are written (in memory), a ConfigMap named istio in istio-system
// is the mesh configuration, and one YAML serves here and in a cluster.
//
// # What a cluster does and this does not
//
// Nobody runs workloads: Deployments and the like are read over. A Pod is what the file says of it, with its address in
// its status, and endpoints of Services that select Pods are the EndpointSlices in the files; `kubectl get -o yaml` of a
// real cluster has both. A Service that names no cluster IP gets one from 240.96.0.0/14, always the same. Objects have no
// creation time unless the file gives one, so that where Istio lets the older of two win it goes by name.
//
// # Changes
//
// A change is served some 50 ms after the last write, and pushed after istiod's own debounce (PILOT_DEBOUNCE_AFTER). A
// file with a mistake is refused as a whole and changes nothing: what it had when it was good is served on, also after a
// restart. Which files are refused, and why, is in the log, in Mesh.Status, on the debug page /debug/filez and counted in
// pilot_apisix_config_files.
//
// # Identity
//
// Agents authenticate with service account tokens that `pilot-discovery create-token` issues (package token); istiod asks
// the API server to review them as it would in a cluster, so that its own rules hold: a proxy of one namespace cannot
// speak for another. The CA's key survives restarts in the state directory, where the root certificate is as well
// (RootCertFile).
//
// pilot-apisix/pkg/bootstrap starts it for `pilot-discovery`, and Offline for commands that only look at a mesh.
package filemode
