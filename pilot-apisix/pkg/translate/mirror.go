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

// mirrors sends copies of a route's requests to other clusters, or is nil.
func (t *translator) mirrors(r *ir.Route) apisix.Plugin {
	if len(r.Mirrors) == 0 {
		return nil
	}
	out := &apisix.MeshMirror{Mirrors: make([]apisix.MirrorTo, 0, len(r.Mirrors))}
	for _, m := range r.Mirrors {
		out.Mirrors = append(out.Mirrors, apisix.MirrorTo{UpstreamID: t.upstreamOf(m.Cluster).ID, Percentage: m.Percentage})
	}
	t.diagnose(fidelity.MirrorBuffered, r.Source, "")
	return out
}
