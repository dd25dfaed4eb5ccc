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

// Package identity says by which DNS name nginx knows a workload.
//
// A certificate of the mesh names its workload by a SPIFFE id, in a URI. nginx compares nothing but DNS names, so our CA
// adds one that is made from the id, and a proxy demands that name of whom it connects to. What comes in is a SPIFFE id, what goes
// out is the name. pilot-apisix/pkg/bootstrap calls it where certificates are signed, and pilot-apisix/pkg/ingest where endpoints are
// read.
package identity
