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

package filemode

import (
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
)

// reviewAccess lets a service account read what is in its own namespace, as the Role that Istio's gateway chart installs
// does. istiod asks before it gives a gateway the Secrets that it names.
func reviewAccess(spec authorizationv1.SubjectAccessReviewSpec) authorizationv1.SubjectAccessReviewStatus {
	namespace, _, ok := strings.Cut(strings.TrimPrefix(spec.User, "system:serviceaccount:"), ":")
	if ok && spec.ResourceAttributes != nil && spec.ResourceAttributes.Namespace == namespace {
		return authorizationv1.SubjectAccessReviewStatus{Allowed: true}
	}
	return authorizationv1.SubjectAccessReviewStatus{
		Reason: "a service account may read only what is in its own namespace",
	}
}
