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

// Package ads is a delta ADS client for a few types, wildcard: the stream from istiod to the agent.
//
// What comes in is istiod's DeltaDiscoveryResponse; what goes out are calls of a type's Handler, which takes each resource by
// itself, and the ACK or the one NACK that names what the Handler refused. pilot-apisix/pkg/agent runs it with the
// Handlers of packages intake and dns. It knows nothing of APISIX.
//
// The protocol, as istiod's server has it (pilot/pkg/xds/delta.go):
//
//   - The types share the stream and nothing else: each has its own first request, nonces and versions.
//   - The first request of a stream carries the node, that of a type subscribes to nothing by name, which means to everything, and
//     lists the versions of what is held (initial_resource_versions). istiod then sends what is new, changed or gone. It
//     may also say nothing at all when nothing changed.
//   - An ACK or NACK carries the nonce and no subscription.
//   - istiod does not send again what was refused, until it changes or the stream is opened anew. A refused resource's
//     version is never in the Handler's versions, so that the next stream brings it again.
//
// When a stream ends, the next one follows after a pause that doubles up to 30 s, with jitter, and begins small again
// after a stream that lived for a while. Why it ended is told apart (Cause): a wrong token, a node id of another
// namespace, an istiod that does not know the type.
package ads
