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

// Package schema checks resources against APISIX's own JSON schema, plugins included.
//
// What comes in is the document that APISIX answers to GET /v1/schema of its control API, from a file or from a running
// APISIX, and a resource in JSON; what goes out is an error that names the field. Tests and apisixctl call it; the control
// plane itself does not.
package schema
