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
	"fmt"
	"io"
	"mime"
	"net/http"

	jsonpatch "github.com/evanphx/json-patch/v5"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	utilrand "k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

// maxBody bounds a request's body, as Kubernetes' API server does.
const maxBody = 3 << 20

// readBody gives the body of a request as JSON, or of a patch as it is. Clients may send Kubernetes' own kinds as
// protobuf.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, apierrors.NewRequestEntityTooLargeError(err.Error())
	}
	if r.Header.Get("Content-Type") != runtime.ContentTypeProtobuf || len(body) == 0 {
		return body, nil
	}
	obj, _, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil)
	if err != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("the body cannot be decoded: %v", err))
	}
	return json.Marshal(obj)
}

func (h *handler) write(w http.ResponseWriter, r *http.Request, t target, tab *table) {
	body, err := readBody(w, r)
	if err != nil {
		writeError(w, err)
		return
	}
	dryRun := r.URL.Query().Get("dryRun") == metav1.DryRunAll
	var obj *unstructured.Unstructured
	code := http.StatusOK
	switch r.Method {
	case http.MethodPost:
		code = http.StatusCreated
		obj, err = h.create(r.Context(), t, tab, body, dryRun)
	case http.MethodPut:
		obj, err = h.replace(t, tab, body, dryRun)
	case http.MethodPatch:
		obj, err = h.patch(r.Context(), t, tab, r.Header.Get("Content-Type"), body, dryRun)
	case http.MethodDelete:
		if err = h.remove(t, tab, body, dryRun); err == nil {
			writeJSON(w, code, metav1.Status{
				TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
				Status:   metav1.StatusSuccess,
			})
			return
		}
	}
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, code, format{gvk: tab.resource.inVersion(t.version)}.object(obj))
}

func decodeObject(body []byte) (*unstructured.Unstructured, error) {
	obj := &unstructured.Unstructured{}
	if err := obj.UnmarshalJSON(body); err != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("the body is not an object in JSON: %v", err))
	}
	return obj, nil
}

func (h *handler) create(ctx context.Context, t target, tab *table, body []byte, dryRun bool) (*unstructured.Unstructured, error) {
	if t.name != "" {
		return nil, apierrors.NewMethodNotSupported(t.groupResource(), "create with a name in the path")
	}
	obj, err := decodeObject(body)
	if err != nil {
		return nil, err
	}
	if obj.GetName() == "" && obj.GetGenerateName() != "" {
		obj.SetName(obj.GetGenerateName() + utilrand.String(5))
	}
	if obj.GetName() == "" {
		return nil, apierrors.NewBadRequest("metadata.name is missing")
	}
	obj.SetNamespace(t.namespace)
	if h.hooks.Admit != nil {
		h.end()
		err := h.hooks.Admit(ctx, tab.resource, obj)
		h.begin()
		if err != nil {
			return nil, apierrors.NewForbidden(t.groupResource(), obj.GetName(), err)
		}
	}
	return h.store.create(tab, obj, dryRun)
}

func (h *handler) replace(t target, tab *table, body []byte, dryRun bool) (*unstructured.Unstructured, error) {
	obj, err := decodeObject(body)
	if err != nil {
		return nil, err
	}
	return h.store.update(tab, t.key(), dryRun, func(current *unstructured.Unstructured) (*unstructured.Unstructured, error) {
		if t.subresource == "" {
			return obj, nil
		}
		return withStatus(current, obj), nil
	})
}

// withStatus gives current the status of obj, and its resource version so that a conflict is found.
func withStatus(current, obj *unstructured.Unstructured) *unstructured.Unstructured {
	current.SetResourceVersion(obj.GetResourceVersion())
	if status, ok := obj.Object["status"]; ok {
		current.Object["status"] = status
	} else {
		delete(current.Object, "status")
	}
	return current
}

func (t target) key() types.NamespacedName {
	return types.NamespacedName{Namespace: t.namespace, Name: t.name}
}

func (h *handler) patch(ctx context.Context, t target, tab *table, contentType string, body []byte, dryRun bool) (*unstructured.Unstructured, error) {
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("content type %q: %v", contentType, err))
	}
	patchType := types.PatchType(mediaType)
	if patchType == types.ApplyPatchType {
		if body, err = yaml.YAMLToJSON(body); err != nil {
			return nil, apierrors.NewBadRequest(fmt.Sprintf("the body is not YAML: %v", err))
		}
		// Server-side apply makes what is missing. What it changes is merged: with one writer there are no owners of
		// fields to tell apart.
		if t.subresource == "" && h.store.Get(t.groupResource(), t.namespace, t.name) == nil {
			return h.create(ctx, target{group: t.group, version: t.version, plural: t.plural, namespace: t.namespace}, tab, body, dryRun)
		}
	}
	return h.store.update(tab, t.key(), dryRun, func(current *unstructured.Unstructured) (*unstructured.Unstructured, error) {
		patched, err := applyPatch(tab.resource, t.version, current, patchType, body)
		if err != nil || t.subresource == "" {
			return patched, err
		}
		return withStatus(current, patched), nil
	})
}

// applyPatch gives what patch makes of current.
func applyPatch(res Resource, version string, current *unstructured.Unstructured, patchType types.PatchType, patch []byte) (*unstructured.Unstructured, error) {
	gvk := res.inVersion(version)
	before, err := json.Marshal(format{gvk: gvk}.object(current))
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	refuse := func(code int, message string) error {
		return apierrors.NewGenericServerResponse(code, "patch", res.GroupResource(), current.GetName(), message, 0, false)
	}
	var after []byte
	switch patchType {
	case types.JSONPatchType:
		ops, err := jsonpatch.DecodePatch(patch)
		if err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		if after, err = ops.Apply(before); err != nil {
			return nil, refuse(http.StatusUnprocessableEntity, err.Error())
		}
	case types.StrategicMergePatchType:
		typed, err := scheme.Scheme.New(gvk)
		if err != nil {
			return nil, refuse(http.StatusUnsupportedMediaType, err.Error())
		}
		if after, err = strategicpatch.StrategicMergePatch(before, patch, typed); err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
	case types.MergePatchType, types.ApplyPatchType:
		if after, err = jsonpatch.MergePatch(before, patch); err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
	default:
		return nil, refuse(http.StatusUnsupportedMediaType, fmt.Sprintf("patch type %q is not served", patchType))
	}
	return decodeObject(after)
}

func (h *handler) remove(t target, tab *table, body []byte, dryRun bool) error {
	var opts metav1.DeleteOptions
	if len(body) > 0 {
		if err := json.Unmarshal(body, &opts); err != nil {
			return apierrors.NewBadRequest(err.Error())
		}
	}
	for _, d := range opts.DryRun {
		dryRun = dryRun || d == metav1.DryRunAll
	}
	return h.store.delete(tab, t.key(), opts.Preconditions, dryRun)
}
