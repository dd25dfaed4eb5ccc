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

// Demo shows a mesh of APISIX sidecars on one machine, without a cluster: `make demo` runs it.
//
// What comes in are the binaries that `make build` made and samples/bookinfo; what goes out is a story told step by step
// on standard output, and exit status 0 only if every step happened as told. It drives the real binaries, as processes,
// by their flags, their environment and their admin pages. Where an APISIX is installed, one runs beside each workload,
// with the config.yaml that pilot-apisix/pkg/agent/apisixconf writes, and requests go through them.
//
// Everything listens on loopback addresses 127.0.1.x, on the ports that it would have in a pod: each workload has the
// address of its WorkloadEntry, the control plane has 127.0.1.100. Nothing but the logs is left behind, be it done, failed or
// interrupted.
package main
