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

package simulate

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// expr is a condition of lua-resty-expr.
type expr interface {
	// holds says whether the condition holds, and the first reason why not.
	holds(*request) (bool, string)
}

// comparison is [variable, "!"?, operator, value].
type comparison struct {
	variable, op, value string
	not                 bool
	re                  *regexp.Regexp
}

// logic is [operator, conditions…].
type logic struct {
	or, not bool
	exprs   []expr
}

// maxExprDepth is more than anybody writes, and less than what would exhaust a stack.
const maxExprDepth = 64

// parseVars reads a route's "vars". No condition at all holds always.
func parseVars(vars []json.RawMessage) (expr, error) {
	if len(vars) == 0 {
		return &logic{}, nil
	}
	var op string
	if json.Unmarshal(vars[0], &op) == nil {
		if _, _, ok := logicOp(op); !ok {
			return nil, errors.New("vars: the conditions must be lists")
		}
	}
	return parseExpr(vars, 0)
}

func logicOp(op string) (or, not, ok bool) {
	switch strings.ToUpper(op) {
	case apisix.LogicAnd:
		return false, false, true
	case apisix.LogicOr:
		return true, false, true
	case "!" + apisix.LogicAnd:
		return false, true, true
	case "!" + apisix.LogicOr:
		return true, true, true
	}
	return false, false, false
}

func parseExpr(rule []json.RawMessage, depth int) (expr, error) {
	if depth > maxExprDepth {
		return nil, errors.New("vars: nested too deep")
	}
	if len(rule) == 0 {
		return nil, errors.New("vars: an empty condition")
	}
	var first string
	if json.Unmarshal(rule[0], &first) != nil || string(rule[0]) == "null" {
		return parseList(&logic{}, rule, depth)
	}
	if or, not, ok := logicOp(first); ok {
		if len(rule) <= 2 {
			return nil, fmt.Errorf("vars: %s needs two conditions at least", first)
		}
		return parseList(&logic{or: or, not: not}, rule[1:], depth)
	}
	return parseComparison(rule)
}

func parseList(l *logic, rules []json.RawMessage, depth int) (expr, error) {
	for _, raw := range rules {
		var rule []json.RawMessage
		if err := json.Unmarshal(raw, &rule); err != nil {
			return nil, fmt.Errorf("vars: %s is not a condition", raw)
		}
		e, err := parseExpr(rule, depth+1)
		if err != nil {
			return nil, err
		}
		l.exprs = append(l.exprs, e)
	}
	return l, nil
}

func parseComparison(rule []json.RawMessage) (expr, error) {
	words := make([]string, len(rule))
	for i, raw := range rule {
		if err := json.Unmarshal(raw, &words[i]); err != nil || string(raw) == "null" {
			return nil, fmt.Errorf("vars: the comparison with %s is %w", raw, errNotSimulated)
		}
	}
	c := &comparison{}
	switch {
	case len(words) == 3:
		c.variable, c.op, c.value = words[0], words[1], words[2]
	case len(words) == 4 && words[1] == "!":
		c.variable, c.op, c.value, c.not = words[0], words[2], words[3], true
	default:
		return nil, fmt.Errorf("vars: %q is not a comparison of a variable, an operator and a value", words)
	}
	if err := checkVariable(c.variable); err != nil {
		return nil, fmt.Errorf("vars: %w", err)
	}
	var err error
	switch c.op {
	case apisix.OpEqual:
	case apisix.OpMatch, apisix.OpMatchFold:
		if c.re, err = compilePCRE(c.value, c.op == apisix.OpMatchFold); err != nil {
			err = fmt.Errorf("vars: the expression %q on %s: %w", c.value, c.variable, err)
		}
	default:
		err = fmt.Errorf("vars: the operator %q is %w", c.op, errNotSimulated)
	}
	return c, err
}

func (c *comparison) holds(r *request) (bool, string) {
	v := r.lookup(c.variable)
	ok := c.re == nil && v.equals(c.value) || c.re != nil && v.ok && c.re.MatchString(pcreSubject(v.text))
	if ok != c.not {
		return true, ""
	}
	return false, fmt.Sprintf("%s does not hold: %s is %s", c, c.variable, v)
}

func (c *comparison) String() string {
	not := ""
	if c.not {
		not = "! "
	}
	return c.variable + " " + not + c.op + " " + quote(c.value)
}

func (l *logic) holds(r *request) (bool, string) {
	result, why := !l.or, ""
	for _, e := range l.exprs {
		ok, reason := e.holds(r)
		if !ok && why == "" {
			why = reason
		}
		if ok == l.or {
			result = l.or
			break
		}
	}
	if result != l.not {
		return true, ""
	}
	switch {
	case l.not:
		why = "what is under ! does hold"
	case l.or && len(l.exprs) > 1:
		why = "none of the alternatives holds; the first: " + why
	}
	return false, why
}
