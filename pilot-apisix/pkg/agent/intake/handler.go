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

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/ads"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/store"
)

// maxOutstanding bounds the rejections that are remembered.
const maxOutstanding = 1000

// Check is a further test of a resource, such as APISIX's schema. Its error is sent to istiod.
type Check func(*store.Resource) error

// Handler is the agent's ads.Handler. Its methods may be called from any goroutine.
type Handler struct {
	store *store.Store
	check Check
	// applied is called after a response was applied, with the bytes that it held.
	applied func(bytes int)

	mu sync.Mutex
	// fresh is true until the first response of a stream was handled.
	fresh bool
	// received is true as soon as a response had something that could be used, or was rightly empty.
	received bool
	// outstanding are the refused resources which istiod has not replaced or removed since, standing those of them that were accepted at first.
	outstanding map[string]string
	standing    map[string]string
}

var _ ads.Handler = &Handler{}

// NewHandler makes a Handler that applies to s. check and applied may be nil.
func NewHandler(s *store.Store, check Check, applied func(bytes int)) *Handler {
	return &Handler{store: s, check: check, applied: applied, outstanding: map[string]string{}, standing: map[string]string{}}
}

// Versions implements ads.Handler. It is called at the start of a stream.
func (h *Handler) Versions() map[string]string {
	h.mu.Lock()
	h.fresh = true
	h.mu.Unlock()
	return h.store.Versions()
}

// Handle implements ads.Handler.
func (h *Handler) Handle(resources []*discovery.Resource, removed []string) []ads.Rejection {
	if r, refused := h.wipe(resources, removed); refused {
		return []ads.Rejection{r}
	}
	update := store.Update{Upserts: make([]*store.Resource, 0, len(resources)), Removed: removed}
	var rejections []ads.Rejection
	seen := make(map[string]struct{}, len(resources))
	bytes := 0
	for i, in := range resources {
		bytes += len(in.GetResource().GetValue())
		r, err := Parse(in)
		if err == nil && h.check != nil {
			err = h.check(r)
		}
		name := in.GetName()
		if _, twice := seen[name]; twice && err == nil {
			err = errors.New("the name stands twice in one response")
		}
		seen[name] = struct{}{}
		if err != nil {
			if name == "" {
				name = fmt.Sprintf("(number %d of the response, without a name)", i+1)
			}
			rejections = append(rejections, ads.Rejection{Name: name, Reason: err.Error()})
			continue
		}
		update.Upserts = append(update.Upserts, r)
	}
	// What was refused in this response stays as it was, even if the response removes that name, too.
	update.Removed = slices.DeleteFunc(slices.Clone(removed), func(name string) bool {
		_, sent := seen[name]
		return sent
	})
	h.store.Apply(update)

	h.mu.Lock()
	if len(update.Upserts) > 0 || len(rejections) == 0 {
		h.received = true
	}
	for _, r := range update.Upserts {
		h.settled(r.Name())
	}
	for _, name := range update.Removed {
		h.settled(name)
	}
	for _, r := range rejections {
		if len(h.outstanding) < maxOutstanding {
			h.outstanding[r.Name] = r.Reason
		}
	}
	h.mu.Unlock()
	if h.applied != nil {
		h.applied(bytes)
	}
	return rejections
}

// wipe refuses a stream that begins with the removal of all that is held and gives nothing for it. A plain istiod does
// that to a proxy of its own namespace (its generator for unknown types answers with an empty list), and the last good
// configuration must survive being pointed at one. pilot-apisix's istiod always has some resource for a proxy.
func (h *Handler) wipe(resources []*discovery.Resource, removed []string) (ads.Rejection, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	first := h.fresh
	h.fresh = false
	if !first || len(resources) > 0 || len(removed) == 0 {
		return ads.Rejection{}, false
	}
	rest := h.store.Versions()
	held := len(rest)
	for _, name := range removed {
		delete(rest, name)
	}
	if held == 0 || len(rest) > 0 {
		return ads.Rejection{}, false
	}
	return ads.Rejection{Name: "*", Reason: fmt.Sprintf("the first response removes all %d resources and brings none, as an istiod "+
		"that does not serve APISIX resources would do: the last good configuration stays", held)}, true
}

// Received reports whether istiod has sent a configuration that could be used, be it an empty one.
func (h *Handler) Received() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.received
}

// Rejected are the resources of which istiod's present content is refused, sorted by name. Their last good content, if
// there was one, is in use.
func (h *Handler) Rejected() []ads.Rejection {
	h.mu.Lock()
	defer h.mu.Unlock()
	return sorted(h.outstanding)
}

func sorted(reasons map[string]string) []ads.Rejection {
	out := make([]ads.Rejection, 0, len(reasons))
	for _, name := range slices.SortedFunc(maps.Keys(reasons), strings.Compare) {
		out = append(out, ads.Rejection{Name: name, Reason: reasons[name]})
	}
	return out
}

// settled is called when istiod sends something else, or nothing more, of a name; h.mu is held.
func (h *Handler) settled(name string) {
	delete(h.outstanding, name)
	delete(h.standing, name)
}
