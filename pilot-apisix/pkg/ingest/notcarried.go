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
	meshconfig "istio.io/api/mesh/v1alpha1"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// meshConfig tells of settings of the whole mesh that have no effect.
func (b *builder) meshConfig() {
	m := b.in.Push.Mesh
	tell := func(set bool, e *fidelity.Entry, field string) {
		if set {
			b.diagnose(e.At(ir.Source{Kind: "MeshConfig", Name: "istio"}.At(field), ""))
		}
	}
	tell(m.GetTcpKeepalive() != nil, fidelity.MeshTCPKeepalive, "tcpKeepalive")
	tell(m.GetZoneAwareLbSetting() != nil, fidelity.ZoneAwareLB, "zoneAwareLbSetting")
	tell(m.GetH2UpgradePolicy() == meshconfig.MeshConfig_UPGRADE, fidelity.MeshH2Upgrade, "h2UpgradePolicy")
	switch m.GetPathNormalization().GetNormalization() {
	case meshconfig.MeshConfig_ProxyPathNormalization_DEFAULT, meshconfig.MeshConfig_ProxyPathNormalization_BASE:
	default:
		tell(true, fidelity.MeshPathNormalization, "pathNormalization")
	}
}
