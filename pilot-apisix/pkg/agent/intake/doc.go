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

// Package intake decides about each resource that istiod sends: whether it is one that APISIX could read at all.
//
// What comes in are the resources of a delta response (it is the ads.Handler of the agent); what goes out are an Update
// of package store, with everything that is sound, and a rejection by name for everything else. One bad resource never
// takes its neighbors with it, and never its own last good content.
//
// The checks are structural: the message can be read, its kind is one of APISIX's, its id is one that APISIX accepts, it
// travels under its own name, and its content is one JSON object in canonical form (no white space, keys in the order
// of their bytes, each once) with the same id. Canonical form is more than a matter of taste: versions, deltas and the
// etcd store all take equal bytes for equal meaning. Whether APISIX's schema accepts the object is known where the
// object is made; a Check can be given for it.
package intake
