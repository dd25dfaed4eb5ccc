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

// Package e2e plays a mesh on one machine: pods are network namespaces on a bridge without an uplink, with Istio's iptables rules, the real
// pilot-agent as user 1337 and a real APISIX; the control plane is the real pilot-discovery on a directory of files. A gateway is a pod without
// the rules. Where APISIX is sent what no control plane would send, a stand-in sends it. Applications are the
// test's own, with sockets of their pod's namespace.
//
// It needs root, iptables, iproute2 and an APISIX (APISIX_HOME, PATH or /usr/local/apisix), and is skipped without, saying so.
package e2e
