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

// Package ir is the intermediate representation between Istio's model and APISIX's resources: what one proxy must do
// with requests and connections, in plain structs with every reference resolved and every part's source recorded.
//
// pilot-apisix/pkg/ingest fills it from a push context, pilot-apisix/pkg/translate turns it into APISIX resources. It
// depends on neither Istio nor APISIX. Values are immutable once they have been handed on.
package ir
