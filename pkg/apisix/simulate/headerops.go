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
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// headerOps are the operations of mesh-headers and mesh-split: all removals, then the values that overwrite, then those that
// are added. All values are worked out before the first is set. An empty one is not applied.
type headerOps struct {
	remove []string
	values []headerValue
}

type headerValue struct {
	name   string
	parts  []valuePart
	append bool
}

// valuePart is a text, or the name of a variable.
type valuePart struct {
	text, variable string
}

type headerOpsJSON struct {
	Remove []string `json:"remove"`
	Values []struct {
		Name   string          `json:"name"`
		Value  json.RawMessage `json:"value"`
		Append bool            `json:"append"`
	} `json:"values"`
}

func (in *headerOpsJSON) parse() (*headerOps, error) {
	if in == nil {
		return nil, nil
	}
	ops := &headerOps{remove: in.Remove}
	for i, v := range in.Values {
		if v.Name == "" {
			return nil, fmt.Errorf("values[%d] has no name", i)
		}
		parts, err := parseHeaderValue(v.Value)
		if err != nil {
			return nil, fmt.Errorf("values[%d]: %w", i, err)
		}
		ops.values = append(ops.values, headerValue{v.Name, parts, v.Append})
	}
	return ops, nil
}

func parseHeaderValue(raw json.RawMessage) ([]valuePart, error) {
	var literal string
	if json.Unmarshal(raw, &literal) == nil && string(raw) != "null" {
		return []valuePart{{text: literal}}, nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil || len(list) == 0 {
		return nil, errors.New("a value is a text, or a list of texts and variables")
	}
	parts := make([]valuePart, len(list))
	for i, part := range list {
		if json.Unmarshal(part, &parts[i].text) == nil && string(part) != "null" {
			continue
		}
		var v struct {
			Var string `json:"var"`
		}
		if err := decode(part, &v); err != nil || v.Var == "" {
			return nil, fmt.Errorf("%s is neither a text nor a variable", part)
		}
		parts[i].variable = v.Var
	}
	return parts, nil
}

// changes are the operations as they come out for what t gets or answers, which looks at the request as the removals leave it.
func (o *headerOps) changes(e *exchange, t *target) []HeaderChange {
	if o == nil {
		return nil
	}
	var out []HeaderChange
	for _, name := range o.remove {
		out = append(out, HeaderChange{Action: Remove, Name: name})
	}
	for _, add := range []bool{false, true} {
		for _, v := range o.values {
			if v.append != add {
				continue
			}
			value := v.value(e, t)
			if value == "" {
				continue
			}
			action := Set
			if add {
				action = Add
			}
			out = append(out, HeaderChange{Action: action, Name: v.name, Value: value})
		}
	}
	return out
}

func (v *headerValue) value(e *exchange, t *target) string {
	var b strings.Builder
	for _, p := range v.parts {
		b.WriteString(p.text)
		if p.variable == "" {
			continue
		}
		if got := e.variable(p.variable, t); got.ok && !got.isTrue {
			b.WriteString(got.text)
		}
	}
	return b.String()
}

// variable is one that a plugin reads after the route was found.
func (e *exchange) variable(name string, t *target) value {
	switch name {
	case "route_id":
		return text(e.route)
	case "upstream_host":
		return text(cmp.Or(t.Request.Host, e.httpHost))
	case "upstream_uri":
		if !t.rewritten {
			return text("")
		}
		return text(t.Request.Path)
	}
	if err := checkVariable(name); err != nil {
		e.notSimulated("variable " + name)
		return missing
	}
	return t.state.lookup(name)
}

// applyRequest makes the changes to what t gets.
func (o *headerOps) applyRequest(e *exchange, t *target) {
	if o == nil {
		return
	}
	for _, name := range o.remove {
		t.changeRequest(HeaderChange{Action: Remove, Name: name})
	}
	t.changeRequest(o.changes(e, t)[len(o.remove):]...)
}

// applyResponse makes the changes to the answer, or to what t answers.
func (o *headerOps) applyResponse(e *exchange, t *target) {
	if o != nil {
		e.changeResponse(t, o.changes(e, t)...)
	}
}
