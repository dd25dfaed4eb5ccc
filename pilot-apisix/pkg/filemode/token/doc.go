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

// Package token issues service account tokens, and reviews them, where there is no Kubernetes to do so.
//
// What comes in is a signing key in a file and the name of a service account; what goes out are JWTs with the claims of
// Kubernetes' bound service account tokens, signed with ES256, and the TokenReview answers that istiod's authenticator
// asks for. `pilot-discovery create-token` issues; the in-process API server of file mode reviews. A control plane
// accepts what its own key has signed and nothing else.
package token
