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

// Package store holds the resources that istiod gave this proxy: by name with their versions for the next connection to
// istiod, in the etcd gateway for APISIX, and on disk for the next start of the agent.
//
// What comes in are Updates of resources that package intake has checked. What goes out are operations on
// pkg/etcdapi's Store, in an order in which no resource ever names one that is not there; the versions for
// initial_resource_versions; and a file. pilot-apisix/pkg/agent opens it. The bytes of a resource are in memory once,
// shared with the etcd store.
//
// # The last known good configuration
//
// The file "resources" is written some time after a change and at the end, first to a temporary file that is synced and
// then renamed, so that a crash leaves the old one. It ends with a SHA-256 of everything before, and starts with the
// workload that it was made for: a file that is torn, changed by somebody, or another workload's is refused with a
// message, and the store starts empty. (The sum guards against accidents, not against an attacker who can write the
// file: the directory belongs to the agent alone, mode 0700, because certificates' keys are among the resources.)
// Loading decodes no JSON.
//
// # Revisions
//
// APISIX waits in silence when the etcd that it reads goes back to lower revisions. So no revision may ever be served
// twice, whatever happens to the agent. Two things see to that, each of which is enough alone in nearly all cases:
//
//   - The file "revision" holds an upper bound. Before a revision above it is served, a new bound a million higher is
//     written and synced. A start begins above the bound, so it makes no difference whether the last revisions were
//     saved before a crash.
//   - A start also begins above the Unix time in milliseconds, which serves when the directory was lost or cannot be
//     written. A proxy would have to take more than a thousand changes a second, for as long as it runs, to overtake it.
//
// Together they fail only when the directory is lost and the clock was set back meanwhile. Both stay far below
// etcdapi.MaxRevision.
package store
