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

// Package agent is the sidecar's first process: it keeps a stream to istiod and serves what it receives to APISIX.
//
// What comes in is a config.Config. What goes out are the etcd gateway on loopback, where APISIX reads; readiness,
// metrics and an admin page; and the files that a restart begins with. pilot-apisix/cmd/pilot-agent runs it. The parts:
//
//	config       flags and Istio's environment
//	security     certificates, token, dial options
//	ads          the stream: delta ADS, a few types, ACK and NACK
//	intake       what of a response is sound
//	store        what is held, on disk and in the etcd store (pkg/etcdapi)
//	dns          the DNS proxy, with istiod's name table
//	status       readiness, probes of the application, metrics, admin page
//	apisixconf   the config.yaml of an APISIX that reads here
//
// # Until there is a configuration
//
// The gateway's port is open from the start, but nobody is answered before a configuration was loaded from disk or
// received from istiod: an APISIX that still runs from before would take an empty answer for the truth and drop all its
// routes, while it keeps them as long as the gateway does not answer. For the same reason the proxy is not ready.
package agent
