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

package intake

import "github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/ads"

// Refuse takes back what was acknowledged, because APISIX did not accept what it read of it at a revision of the etcd store. The last good content
// takes its place. It is false when there is another content by now.
func (h *Handler) Refuse(name string, revision int64, reason string) bool {
	return h.store.Refuse(name, revision) && h.Complain(name, reason)
}

// Complain notes what is wrong with a resource that stays in use; an empty reason takes that back. It is false when that is known.
func (h *Handler) Complain(name, reason string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.standing[name] == reason {
		return false
	}
	if reason == "" {
		h.settled(name)
		return true
	}
	if len(h.standing) < maxOutstanding {
		h.outstanding[name], h.standing[name] = reason, reason
	}
	return true
}

// Standing implements ads.Stander.
func (h *Handler) Standing() []ads.Rejection {
	h.mu.Lock()
	defer h.mu.Unlock()
	return sorted(h.standing)
}
