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

package apisix

// The operators of Expr (lua-resty-expr 1.3).
const (
	OpEqual = "=="
	// OpMatch is a PCRE that may match anywhere in the value. A missing value does not match.
	OpMatch = "~~"
	// OpMatchFold is OpMatch without regard to case.
	OpMatchFold = "~*"
)

// The logical operators of Expr.
const (
	LogicOr  = "OR"
	LogicAnd = "AND"
)

// VarOriginalDstPort is the nginx variable that holds the port which the client meant to reach. Routes match on it, and the
// config.yaml of a sidecar defines it: from the original destination of a captured connection, else from the Host header.
const VarOriginalDstPort = "original_dst_port"

// VarInboundPort is the nginx variable that holds the port of the workload which a client meant to reach. It is empty for what
// the workload itself sends, as VarOriginalDstPort is for what is sent to it.
const VarInboundPort = "inbound_port"

// VarRBAC is the variable that says whether the plugin mesh-rbac is there: "1", or nothing. APISIX serves a route without the plugins
// that it does not know; one that must not be served then asks for it.
const VarRBAC = "mesh_rbac"

// Expr is one condition on the variables of a request, as a route's "vars" has it: either a comparison (Var, Op, Value) or a
// logical combination (Logic, Exprs). The zero Expr is not valid.
type Expr struct {
	// Var is a variable of nginx or APISIX, such as "uri", "http_end_user" or "arg_q".
	Var string
	// Not negates the comparison. A variable that is missing then holds for OpEqual and OpMatch.
	Not   bool
	Op    string
	Value string

	// Logic is LogicOr or LogicAnd and takes at least two Exprs.
	Logic string
	Exprs []Expr
}

// AppendJSON appends e in canonical form.
func (e *Expr) AppendJSON(b []byte) []byte {
	b = append(b, '[')
	if e.Logic != "" {
		b = AppendString(b, e.Logic)
		for i := range e.Exprs {
			b = append(b, ',')
			b = e.Exprs[i].AppendJSON(b)
		}
		return append(b, ']')
	}
	b = AppendString(b, e.Var)
	b = append(b, ',')
	if e.Not {
		b = append(b, '"', '!', '"', ',')
	}
	b = AppendString(b, e.Op)
	b = append(b, ',')
	b = AppendString(b, e.Value)
	return append(b, ']')
}

func appendExprs(b []byte, exprs []Expr) []byte {
	b = append(b, '[')
	for i := range exprs {
		if i > 0 {
			b = append(b, ',')
		}
		b = exprs[i].AppendJSON(b)
	}
	return append(b, ']')
}
