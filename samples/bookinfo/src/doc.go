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

// Bookinfo is the four services of the sample in one small binary: productpage, details, reviews (v1, v2 or v3) and
// ratings, chosen by subcommand. They answer like the Bookinfo that Istio's users know, and every answer names the
// workload that gave it, so that a test or a demonstration can see where a request went.
//
// samples/bookinfo/demo starts one process per workload. With --outbound a service sends its calls to a sidecar's
// outbound listener, as iptables would have it do in a pod; without it they go where DNS or --resolve says.
package main
