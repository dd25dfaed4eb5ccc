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

// Package bench compares what a sidecar costs the control plane: Envoy's CDS, LDS, RDS and EDS, and the APISIX resources,
// generated from the same configuration in one run. The configurations are those of Istio's own benchmarks, which ship in
// its module. `make bench` runs it and prints a table.
package bench
