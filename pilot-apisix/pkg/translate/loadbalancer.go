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
	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// loadBalancer sets the algorithm of an upstream, as far as APISIX has it.
func loadBalancer(u *apisix.Upstream, lb ir.LoadBalancer) {
	switch lb.Policy {
	case ir.LeastRequest:
		u.Type = apisix.LeastConn
	case ir.RoundRobin:
		u.Type = apisix.RoundRobin
	case ir.Random:
		// Only the balancer of our own knows it.
	case ir.ConsistentHash:
		// The routes that lead here say what is hashed.
		u.Type, u.HashOn, u.Key = apisix.CHash, apisix.HashOnVars, apisix.VarHashKey
	}
}
