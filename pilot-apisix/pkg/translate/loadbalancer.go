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

// loadBalancer sets the algorithm of an upstream.
func loadBalancer(u *apisix.Upstream, lb ir.LoadBalancer) {
	switch lb.Policy {
	case ir.LeastRequest:
		u.Type = apisix.LeastConn
	case ir.RoundRobin, ir.Random:
		u.Type = apisix.RoundRobin
	case ir.ConsistentHash:
		if !validHashKey(lb) {
			u.Type = apisix.RoundRobin
			return
		}
		u.Type = apisix.CHash
		switch lb.HashOn {
		case ir.HashHeader:
			u.HashOn, u.Key = apisix.HashOnHeader, lb.HashKey
		case ir.HashCookie:
			u.HashOn, u.Key = apisix.HashOnCookie, lb.HashKey
		case ir.HashSourceIP:
			u.HashOn, u.Key = apisix.HashOnVars, "remote_addr"
		case ir.HashQueryParam:
			u.HashOn, u.Key = apisix.HashOnVars, "arg_"+lb.HashKey
		}
	}
}

// validHashKey is what APISIX's schema of hash keys allows.
func validHashKey(lb ir.LoadBalancer) bool {
	if lb.HashOn == ir.HashSourceIP {
		return true
	}
	for i := range len(lb.HashKey) {
		c := lb.HashKey[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return lb.HashKey != ""
}

// loadBalancerDiagnostics tells of a hash key that APISIX does not take.
func loadBalancerDiagnostics(c *ir.Cluster) []ir.Diagnostic {
	if c.LB.Policy != ir.ConsistentHash || validHashKey(c.LB) {
		return nil
	}
	return []ir.Diagnostic{fidelity.HashKeyNotCarried.At(c.Sources[len(c.Sources)-1], "%q", c.LB.HashKey)}
}
