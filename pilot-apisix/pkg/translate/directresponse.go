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

package translate

import (
	"net/http"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// maxStatus is the highest status that Envoy and APISIX take.
const maxStatus = 599

// directResponse answers with what the configuration says. nginx can send no final response below 200.
func (t *translator) directResponse(r *ir.Route) apisix.Plugin {
	d := r.DirectResponse
	if d.Status < http.StatusOK || d.Status > maxStatus {
		t.diagnose(fidelity.StatusRefused, r.Source, "%d", d.Status)
		return respond(http.StatusNotImplemented)
	}
	return &apisix.MeshDirectResponse{Status: d.Status, Body: d.Body}
}
