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
	"google.golang.org/protobuf/proto"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/apisix-mesh/pilot-apisix/pkg/fidelity"
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// connectionPool takes what limits single connections, and tells of the rest.
func (b *clusterBuilder) connectionPool(p *networking.ConnectionPoolSettings, src ir.Source) {
	if p == nil {
		return
	}
	rest := proto.CloneOf(p)
	if t := rest.GetTcp().GetConnectTimeout(); t != nil {
		b.cluster.ConnectTimeout = t.AsDuration()
		rest.Tcp.ConnectTimeout = nil
	}
	if http := rest.GetHttp(); http != nil {
		if t := http.IdleTimeout; t != nil {
			b.cluster.IdleTimeout = t.AsDuration()
		}
		b.cluster.MaxRequestsPerConnection = int(max(http.MaxRequestsPerConnection, 0))
		http.IdleTimeout, http.MaxRequestsPerConnection = nil, 0
	}
	if proto.Size(rest.Tcp) != 0 || proto.Size(rest.Http) != 0 {
		b.diagnose(fidelity.ConnectionPool, src, "")
	}
}
