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
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// timeout limits what route waits for. Istio's timeout is that of the whole response; APISIX's are per operation.
func (t *translator) timeout(route *apisix.Route, r *ir.Route) {
	if r.Timeout <= 0 {
		return
	}
	connect := r.Timeout
	for _, d := range r.Destinations {
		connect = min(connect, t.cfg.Clusters[t.clusterOf(d)].ConnectTimeout)
	}
	limit := seconds(r.Timeout)
	route.Timeout = apisix.Timeout{Connect: seconds(connect), Send: limit, Read: limit}
	t.diagnose(fidelity.TimeoutPerRead, r.Source, "%s", r.Timeout)
}
