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
	"time"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// Envoy's defaults, which Istio leaves alone.
const (
	defaultConsecutiveErrors  = 5
	defaultInterval           = 10 * time.Second
	defaultBaseEjectionTime   = 30 * time.Second
	defaultMaxEjectionPercent = 10
)

// outlierDetection reads what Envoy is given (applyOutlierDetection). Of gateway errors none are counted unless somebody asks
// for it, of errors as a whole five.
func (b *clusterBuilder) outlierDetection(d *networking.OutlierDetection, src ir.Source) {
	if d == nil {
		return
	}
	if b.cluster.OriginalDst {
		b.diagnose(fidelity.OutlierDetection, src, "")
		return
	}
	out := &ir.OutlierDetection{
		Consecutive5xxErrors:     defaultConsecutiveErrors,
		ConsecutiveGatewayErrors: int(d.GetConsecutiveGatewayErrors().GetValue()),
		SplitLocalOrigin:         d.SplitExternalLocalOriginErrors,
		Interval:                 defaultInterval,
		BaseEjectionTime:         defaultBaseEjectionTime,
		MaxEjectionPercent:       defaultMaxEjectionPercent,
	}
	if e := d.GetConsecutive_5XxErrors(); e != nil {
		out.Consecutive5xxErrors = int(e.Value)
	}
	if out.SplitLocalOrigin {
		out.ConsecutiveLocalOriginFailures = defaultConsecutiveErrors
		if n := d.GetConsecutiveLocalOriginFailures().GetValue(); n > 0 {
			out.ConsecutiveLocalOriginFailures = int(n)
		}
	}
	if t := d.GetInterval().AsDuration(); t > 0 {
		out.Interval = t
	}
	if t := d.GetBaseEjectionTime().AsDuration(); t > 0 {
		out.BaseEjectionTime = t
	}
	if d.MaxEjectionPercent > 0 {
		out.MaxEjectionPercent = int(min(d.MaxEjectionPercent, 100))
	}
	b.cluster.Outliers = out
	if svc := b.inputs.service; !svc.ForcesSupportUnhealthyEndpoints() {
		b.cluster.MinHealthPercent = int(min(max(d.MinHealthPercent, 0), 100))
	}
}
