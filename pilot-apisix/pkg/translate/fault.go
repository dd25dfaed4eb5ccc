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

// fault translates a fault to the plugin that injects it, or nil when it never happens.
func (t *translator) fault(r *ir.Route) apisix.Plugin {
	if r.Fault == nil {
		return nil
	}
	out := &apisix.FaultInjection{}
	if d := r.Fault.Delay; d != nil {
		if p := t.percentage(d.Percentage, r.Source.At("fault.delay")); p > 0 && d.Duration > 0 {
			out.Delay = &apisix.FaultDelay{Duration: seconds(d.Duration), Percentage: p}
		}
	}
	if a := r.Fault.Abort; a != nil {
		if p := t.percentage(a.Percentage, r.Source.At("fault.abort")); p > 0 && a.Status >= http.StatusOK {
			out.Abort = &apisix.FaultAbort{HTTPStatus: a.Status, Percentage: p}
		}
	}
	if out.Abort == nil && out.Delay == nil {
		return nil
	}
	return out
}

// percentage rounds to what the plugin takes.
func (t *translator) percentage(p float64, src ir.Source) int {
	p = min(max(p, 0), 100)
	rounded := math.Round(p)
	if rounded != p {
		t.diagnose(fidelity.FaultPercentage, src, "%v becomes %v", p, rounded)
	}
	return int(rounded)
}
