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

// fault translates a fault to the plugin that injects it, or nil when it never happens.
func (t *translator) fault(r *ir.Route) apisix.Plugin {
	if r.Fault == nil {
		return nil
	}
	out := &apisix.MeshFault{}
	if d := r.Fault.Delay; d != nil && d.Percentage > 0 && d.Duration > 0 {
		out.Delay = &apisix.MeshFaultDelay{Duration: seconds(d.Duration), Percentage: d.Percentage}
	}
	if a := r.Fault.Abort; a != nil && a.Percentage > 0 {
		switch {
		case a.GRPC:
			out.Abort = &apisix.MeshFaultAbort{GRPC: true, GRPCStatus: a.Status, Percentage: a.Percentage}
		case a.Status < http.StatusOK || a.Status > maxStatus:
			t.diagnose(fidelity.FaultStatusNotCarried, r.Source.At("fault.abort.httpStatus"), "%d", a.Status)
		default:
			out.Abort = &apisix.MeshFaultAbort{HTTPStatus: a.Status, Percentage: a.Percentage}
		}
	}
	if out.Abort == nil && out.Delay == nil {
		return nil
	}
	return out
}
