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

// Package generate joins the two halves of the way from Istio's model to APISIX resources: pilot-apisix/pkg/ingest and
// pilot-apisix/pkg/translate.
//
// What comes in is a proxy with its push context, what goes out is a translate.Output. It is the source of the xDS
// generator in pilot-apisix/pkg/xds, and apisixctl calls it offline. The goldens of every feature are in its testdata.
package generate
