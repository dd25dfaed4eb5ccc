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

// Package etcdapi is the part of etcd's v3 JSON gateway that a stock APISIX reads in the role data_plane with
// config_provider etcd: a small key space in memory, ranges over it, and watch streams.
//
// What comes in are the agent's operations (Store.Apply), resources in canonical JSON in the order in which they have to
// become live. What goes out is HTTP on loopback or on a unix socket (Handler, Listen, Serve): /v3/kv/range, /v3/watch,
// /v3/auth/authenticate and /version. Every method that would write is refused. The sidecar's agent calls it; it knows
// neither Istio nor xDS, and it does not look into the values.
//
// # Revisions
//
// Each operation that changes something has a revision of its own, also within one Apply. etcd would give one revision to
// a whole transaction, but APISIX (core/config_etcd.lua) continues after header.revision + 1 and takes a frame whose
// revision is not above the last one for a restarted etcd: events of one revision could never be split over two frames.
// An Apply still becomes visible at once, and travels as one frame unless it is larger than a frame may be.
//
// The revision in a frame's header is the revision of the last event that the stream has been given, never a later one,
// because APISIX does not come back to what lies before it.
//
// A store starts with an empty history above StoreOptions.StartRevision. Whoever watches from before is told that those
// revisions are compacted, and reads everything again; so deletions during a restart are not missed. The caller therefore
//   - passes a StartRevision that is not below any revision that was served before: the larger of the last revision that
//     it has saved and the Unix time in milliseconds serves also when nothing was saved;
//   - applies the whole configuration before it serves, or APISIX would take the empty key space for the truth.
//
// # Where it differs from etcd on purpose
//
//   - A watch from a revision that is still to come is canceled with a compact_revision. etcd waits in silence, and
//     APISIX would stay on old configuration after the agent has lost its state.
//   - Only the newest revision can be ranged over: an older one is answered as compacted.
//   - The exact-key range of the directory <prefix>/ answers with the revision of the oldest full load that may still be
//     starting a worker (see loadLog). APISIX starts its watch from that answer, and would otherwise never see what was
//     applied between its full load and this read.
//   - A stream carries one watch. prev_kv and fragment are ignored, unknown fields too.
//   - The header of a compacted watch tells the revision, which etcd leaves out.
//   - A malformed watch request is answered with 400, not 500: lua-resty-etcd counts 5xx against the endpoint's health.
//
// # What APISIX should be told
//
// deployment.etcd.health_check_timeout: 1. With its default of 10 s, APISIX needs up to 13 s to come back after a restart of
// the agent, with 1 s about 3 s. (Measured with APISIX 3.18.)
package etcdapi
