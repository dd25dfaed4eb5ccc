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

package apiserver

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
)

// Version is the Kubernetes version that the API says it is. Istio looks at the minor version to choose between APIs.
var Version = version.Info{Major: "1", Minor: "34", GitVersion: "v1.34.0"}

// Hooks decide what the API does not know. Those that are nil deny.
type Hooks struct {
	// ReviewToken tells who a bearer token belongs to. audiences are those that the token must have one of; empty for
	// none in particular.
	ReviewToken func(token string, audiences []string) authenticationv1.TokenReviewStatus
	// ReviewAccess tells whether somebody may do something.
	ReviewAccess func(spec authorizationv1.SubjectAccessReviewSpec) authorizationv1.SubjectAccessReviewStatus
	// Admit is called before an object is created. It may wait, until ctx is done; its error refuses the object. nil
	// admits all.
	Admit func(ctx context.Context, res Resource, obj *unstructured.Unstructured) error
}

// handler answers requests from the store.
type handler struct {
	store *Store
	hooks Hooks

	// pending are the requests that are being worked on, and served is when the last one was done, in nanoseconds of Unix
	// time. Watches, and requests that Admit lets wait, do not count.
	pending atomic.Int64
	served  atomic.Int64
}

func (h *handler) begin() { h.pending.Add(1) }

func (h *handler) end() {
	h.served.Store(time.Now().UnixNano())
	h.pending.Add(-1)
}

// idle reports whether nobody has asked for anything for some time.
func (h *handler) idle(since time.Duration) bool {
	return h.pending.Load() == 0 && time.Since(time.Unix(0, h.served.Load())) > since
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !flag(r.URL.Query(), "watch") {
		h.begin()
		defer h.end()
	}
	if r.URL.Path == "/version" {
		writeJSON(w, http.StatusOK, Version)
		return
	}
	t, ok := parseTarget(r.URL.Path)
	if !ok {
		writeError(w, notServed(t))
		return
	}
	switch {
	case t.group == authenticationv1.GroupName && t.plural == "tokenreviews" && r.Method == http.MethodPost:
		h.reviewToken(w, r)
		return
	case t.group == authorizationv1.GroupName && t.plural == "subjectaccessreviews" && r.Method == http.MethodPost:
		h.reviewAccess(w, r)
		return
	}
	h.store.mu.RLock()
	tab := h.store.tables[t.groupResource()]
	h.store.mu.RUnlock()
	if tab == nil || (t.subresource != "" && t.subresource != "status") {
		writeError(w, notServed(t))
		return
	}
	switch r.Method {
	case http.MethodGet:
		h.read(w, r, t, tab)
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		h.write(w, r, t, tab)
	default:
		writeError(w, apierrors.NewMethodNotSupported(t.groupResource(), r.Method))
	}
}

func notServed(t target) error {
	return apierrors.NewGenericServerResponse(http.StatusNotFound, "", t.groupResource(), t.name,
		"the server could not find the requested resource", 0, true)
}

func (h *handler) read(w http.ResponseWriter, r *http.Request, t target, tab *table) {
	q := r.URL.Query()
	f := format{gvk: tab.resource.inVersion(t.version), metadataOnly: wantsMetadata(r.Header.Get("Accept"))}
	if t.name != "" {
		obj := h.store.Get(t.groupResource(), t.namespace, t.name)
		if obj == nil {
			writeError(w, apierrors.NewNotFound(t.groupResource(), t.name))
			return
		}
		writeJSON(w, http.StatusOK, f.object(obj))
		return
	}
	sel, err := parseSelection(t.namespace, q.Get("labelSelector"), q.Get("fieldSelector"))
	if err != nil {
		writeError(w, apierrors.NewBadRequest(err.Error()))
		return
	}
	if flag(q, "watch") {
		h.watch(w, r, f, sel, tab)
		return
	}
	objs, at := h.store.snapshot(tab, sel)
	writeJSON(w, http.StatusOK, f.list(objs, at.version))
}

// format is how a client wants to see objects.
type format struct {
	gvk          schema.GroupVersionKind
	metadataOnly bool
}

// object gives o as the client wants it; o itself is left as it is.
func (f format) object(o *unstructured.Unstructured) map[string]any {
	if f.metadataOnly {
		return map[string]any{
			"apiVersion": metav1.SchemeGroupVersion.String(),
			"kind":       "PartialObjectMetadata",
			"metadata":   o.Object["metadata"],
		}
	}
	out := without(o.Object)
	out["apiVersion"] = f.gvk.GroupVersion().String()
	out["kind"] = f.gvk.Kind
	return out
}

func (f format) list(objs []*unstructured.Unstructured, at uint64) map[string]any {
	items := make([]map[string]any, 0, len(objs))
	for _, o := range objs {
		items = append(items, f.object(o))
	}
	out := map[string]any{
		"apiVersion": f.gvk.GroupVersion().String(),
		"kind":       f.gvk.Kind + "List",
		"metadata":   map[string]any{"resourceVersion": formatVersion(at)},
		"items":      items,
	}
	if f.metadataOnly {
		out["apiVersion"], out["kind"] = metav1.SchemeGroupVersion.String(), "PartialObjectMetadataList"
	}
	return out
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	// An error here means that the client went away, or does not read: there is nobody to tell.
	_ = json.NewEncoder(w).Encode(v)
}

// statusOf gives the metav1.Status that says what err says.
func statusOf(err error) metav1.Status {
	var known apierrors.APIStatus
	if !errors.As(err, &known) {
		known = apierrors.NewInternalError(err)
	}
	status := known.Status()
	status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	return status
}

func writeError(w http.ResponseWriter, err error) {
	status := statusOf(err)
	writeJSON(w, int(status.Code), status)
}
