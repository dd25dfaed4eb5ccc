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
	"encoding/json"
	"net/http"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

func (h *handler) reviewToken(w http.ResponseWriter, r *http.Request) {
	var review authenticationv1.TokenReview
	if !decodeReview(w, r, &review) {
		return
	}
	if h.hooks.ReviewToken == nil {
		review.Status = authenticationv1.TokenReviewStatus{Error: "this control plane issues no tokens"}
	} else {
		review.Status = h.hooks.ReviewToken(review.Spec.Token, review.Spec.Audiences)
	}
	// The token is a secret: it has no place in an answer.
	review.Spec.Token = ""
	writeJSON(w, http.StatusCreated, review)
}

func (h *handler) reviewAccess(w http.ResponseWriter, r *http.Request) {
	var review authorizationv1.SubjectAccessReview
	if !decodeReview(w, r, &review) {
		return
	}
	if h.hooks.ReviewAccess != nil {
		review.Status = h.hooks.ReviewAccess(review.Spec)
	}
	writeJSON(w, http.StatusCreated, review)
}

func decodeReview(w http.ResponseWriter, r *http.Request, into any) bool {
	body, err := readBody(w, r)
	if err != nil {
		writeError(w, err)
		return false
	}
	if err := json.Unmarshal(body, into); err != nil {
		writeError(w, apierrors.NewBadRequest("the body is not a review: "+err.Error()))
		return false
	}
	return true
}
