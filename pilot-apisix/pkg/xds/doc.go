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

// Package xds serves APISIX resources in istiod: the type type.googleapis.com/apisix.mesh.v1alpha1.Resource, in
// state-of-the-world and in delta ADS, beside the types that upstream serves and on the same streams.
//
// What comes in are istiod's pushes and the proxies' requests, and from a Source the translate.Output of a proxy; what
// goes out are marshalled resources, the exact difference to what each connection was sent, and a debug page.
// pilot-apisix/cmd/pilot-discovery calls Register between istiod's construction and its start; the Source is the one of
// pilot-apisix/pkg/generate.
//
// # Groups and views
//
// Proxies for which Source.Key gives the same key are one group and get the same resources. What a group must have in
// one state of the world is a view. It is computed and marshalled once and shared by every connection of the group; the
// difference between two views is computed once too. A resource that did not change keeps its marshalled form from view
// to view, and equal resources of different groups are the same object. Only connections hold views and groups: what no
// connection needs any more is left to the garbage collector.
//
// # When a view is fresh
//
// A view may be used again only for the same push context and as long as istiod has made no newer one: it is tagged with
// the context of the push that it was computed for, and with the global context (Environment.PushContext) read before
// the computation began. Why this is right: istiod follows every change, those of endpoints included, with a new push
// context, which becomes the global one before any proxy is asked to take it. So when a connection handles a push or a
// request and the global context is still the one that a view was tagged with, the computation of this view began after
// every change that the connection has been told of. The context of the push alone would not be enough, because a push
// of endpoints does not move Proxy.LastPushContext, and endpoints are not in the context: a request that comes after it
// would find a view of the same context with the old endpoints.
//
// # What a connection is told
//
// A connection remembers the view it was sent last. It gets what is new or has another version, and the names of what
// is gone. A client that comes back says what it holds (initial_resource_versions) and is treated in the same way; the
// first response is sent even when it is empty, so that the client knows that it is in sync. The view is recorded before
// the response is written: a stream whose write fails ends, and the next one starts anew.
//
// A version is a hash of kind, id and JSON. It is the same in every replica and after a restart. Sources are not part
// of it: when a line moves in a file and the JSON stays the same, nothing is sent.
//
// Subscriptions are wildcard only. A client that names resources instead is refused with InvalidArgument, because
// Istio's bookkeeping of on-demand subscriptions does not work for types that it does not know. A client with a wildcard
// subscription may ask for a resource by name and gets it again.
//
// Istio keeps, for each connection, the names of all resources that it has sent, and copies this set on every push.
// As upstream does for workloads, the generator empties it: /debug/adsz therefore lists only the names of the last
// response. What a connection has in all is in DebugHandler's page.
//
// # When something fails
//
// A panic or an error in the Source, or here, costs no more than the push: it is logged and counted, the proxy keeps its
// last good configuration, and the next push of whatever kind tries again. Until then the debug page shows it as behind.
package xds
