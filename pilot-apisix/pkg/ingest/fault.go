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

package ingest

import (
	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pkg/util/grpc"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// fault takes over what Envoy would do (TranslateFault): a share that is not given is none.
func (r *routeBuilder) fault(f *networking.HTTPFaultInjection, src ir.Source) *ir.Fault {
	out := &ir.Fault{}
	if d := f.GetDelay(); d != nil {
		if fixed, ok := d.HttpDelayType.(*networking.HTTPFaultInjection_Delay_FixedDelay); ok {
			share := float64(min(max(d.Percent, 0), 100)) //nolint:staticcheck // deprecated, and still honoured by Istio
			if d.Percentage != nil {
				share = percentage(d.Percentage)
			}
			out.Delay = &ir.FaultDelay{Duration: fixed.FixedDelay.AsDuration(), Percentage: share}
		} else {
			r.diagnose(fidelity.FaultExponentialDelay, src.At("delay"), "")
		}
	}
	if a := f.GetAbort(); a != nil {
		switch e := a.ErrorType.(type) {
		case *networking.HTTPFaultInjection_Abort_HttpStatus:
			out.Abort = &ir.FaultAbort{Status: int(e.HttpStatus), Percentage: percentage(a.Percentage)}
		case *networking.HTTPFaultInjection_Abort_GrpcStatus:
			out.Abort = &ir.FaultAbort{GRPC: true, Status: int(grpc.SupportedGRPCStatus[e.GrpcStatus]), Percentage: percentage(a.Percentage)}
		}
	}
	if out.Delay == nil && out.Abort == nil {
		return nil
	}
	return out
}

// percentage cuts a share to whole millionths, as Istio does for Envoy (translatePercentToFractionalPercent).
func percentage(p *networking.Percent) float64 {
	const perPercent = 10000
	v := p.GetValue()
	if !(v > 0) { // neither is NaN
		return 0
	}
	return float64(uint32(min(v, 100)*perPercent)) / perPercent
}
