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
	"math"
	"net/http"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// abortBody is what Envoy answers an aborted request with.
const abortBody = "fault filter abort"

// fault translates a fault to the plugin that injects it, or nil when it never happens: APISIX's own where whole percents and
// HTTP statuses will do.
func (t *translator) fault(r *ir.Route) apisix.Plugin {
	if r.Fault == nil {
		return nil
	}
	exact := &apisix.MeshFault{}
	simple := &apisix.FaultInjection{}
	isSimple := true
	if d := r.Fault.Delay; d != nil && d.Percentage > 0 && d.Duration > 0 {
		share, whole := wholePercent(d.Percentage)
		isSimple = isSimple && whole
		exact.Delay = &apisix.MeshFaultDelay{Duration: seconds(d.Duration), Percentage: d.Percentage}
		simple.Delay = &apisix.FaultDelay{Duration: seconds(d.Duration), Percentage: share}
	}
	if a := r.Fault.Abort; a != nil && a.Percentage > 0 {
		share, whole := wholePercent(a.Percentage)
		switch {
		case a.GRPC:
			isSimple = false
			exact.Abort = &apisix.MeshFaultAbort{GRPC: true, GRPCStatus: a.Status, Percentage: a.Percentage}
		case a.Status < http.StatusOK || a.Status > maxStatus:
			t.diagnose(fidelity.FaultStatusNotCarried, r.Source.At("fault.abort.httpStatus"), "%d", a.Status)
		default:
			isSimple = isSimple && whole
			exact.Abort = &apisix.MeshFaultAbort{HTTPStatus: a.Status, Percentage: a.Percentage}
			simple.Abort = &apisix.FaultAbort{HTTPStatus: a.Status, Body: abortBody, Percentage: share}
		}
	}
	switch {
	case exact.Abort == nil && exact.Delay == nil:
		return nil
	case isSimple:
		return simple
	}
	return exact
}

// wholePercent is p as an integer, and whether that is exact.
func wholePercent(p float64) (int, bool) {
	return int(p), p == math.Trunc(p)
}
