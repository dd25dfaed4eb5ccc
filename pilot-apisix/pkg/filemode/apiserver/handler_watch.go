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
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
)

// frame is one line of a watch's answer.
type frame struct {
	Type   watch.EventType `json:"type"`
	Object any             `json:"object"`
}

// watch streams the changes of a kind until the client leaves, its time is over, or the history does not reach back to
// where it is.
func (h *handler) watch(w http.ResponseWriter, r *http.Request, f format, sel selection, tab *table) {
	q := r.URL.Query()
	ctx := r.Context()
	if seconds, err := strconv.Atoi(q.Get("timeoutSeconds")); err == nil && seconds > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(seconds)*time.Second)
		defer cancel()
	}
	// A watch with no resource version, or with sendInitialEvents, starts with all objects as ADDED.
	from := q.Get("resourceVersion")
	var initial []*unstructured.Unstructured
	watcher := &watcher{store: h.store, table: tab, sel: sel}
	if from == "" || from == "0" || flag(q, "sendInitialEvents") {
		initial, watcher = h.store.snapshot(tab, sel)
	} else {
		version, err := strconv.ParseUint(from, 10, 64)
		if err != nil {
			writeError(w, apierrors.NewBadRequest("resourceVersion "+strconv.Quote(from)+" is not one of this server"))
			return
		}
		watcher.version = version
	}

	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	out := json.NewEncoder(w)
	flush := http.NewResponseController(w).Flush
	send := func(kind watch.EventType, obj any) bool { return out.Encode(frame{kind, obj}) == nil }

	for _, o := range initial {
		if !send(watch.Added, f.object(o)) {
			return
		}
	}
	if flag(q, "sendInitialEvents") && !send(watch.Bookmark, f.endOfInitial(watcher.version)) {
		return
	}
	if flush() != nil {
		return
	}
	for {
		events, err := watcher.next(ctx)
		if errors.Is(err, errGone) {
			send(watch.Error, statusOf(apierrors.NewResourceExpired("the requested resource version is too old")))
			return
		}
		if err != nil {
			return
		}
		for _, e := range events {
			if !send(e.kind, f.object(e.object)) {
				return
			}
		}
		if flush() != nil {
			return
		}
	}
}

// endOfInitial is the object of the bookmark that tells a client that it has seen all objects there are.
func (f format) endOfInitial(version uint64) map[string]any {
	o := &unstructured.Unstructured{}
	o.SetAnnotations(map[string]string{metav1.InitialEventsAnnotationKey: "true"})
	o.SetResourceVersion(formatVersion(version))
	return f.object(o)
}
