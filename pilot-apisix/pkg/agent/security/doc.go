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

// Package security is the agent's trust in istiod and its own identity, composed of the parts of Istio's agent.
//
// What comes in is config.Config. What goes out are the dial options for istiod: the root that its certificate must
// chain to, the name that it must carry, the bearer token (read again for every stream, so that a rotated one is
// used), and a client certificate. Beside that the workload's certificate is requested from the CA and renewed
// before it expires, by Istio's own secret manager and Citadel client. pilot-apisix/pkg/agent calls it.
//
// Where the certificate for istiod comes from: PROV_CERT or FILE_MOUNTED_CERTS name files, as upstream; otherwise it is
// the workload's certificate as soon as there is one. Until then, and after a connection that failed with it, the token
// alone identifies the workload, which is what upstream's agent always does.
//
// Nothing of this is used when the operator asked for plaintext: then no token leaves the agent at all.
// An SDS socket of SPIRE is not used; SPIRE's certificates work as files (FILE_MOUNTED_CERTS).
package security
