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

package differential

import (
	"fmt"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
)

// parser is one level of header operations: a weighted cluster's or a route's.
type parser struct {
	remove []string
	add    []*corev3.HeaderValueOption
}

// apply follows HeaderParser::evaluateHeaders: removals, then every value from what is there, then what overwrites, then what
// is appended. A value that comes out empty is not applied.
func (p *parser) apply(h headerSet, value func(string) string) {
	for _, name := range p.remove {
		delete(h, strings.ToLower(name))
	}
	type evaluated struct {
		name, value string
		add         bool
	}
	var list []evaluated
	for _, o := range p.add {
		if v := value(o.GetHeader().GetValue()); v != "" || o.KeepEmptyValue {
			list = append(list, evaluated{
				strings.ToLower(o.GetHeader().GetKey()), v, o.AppendAction == corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD,
			})
		}
	}
	for _, e := range list {
		if !e.add {
			h[e.name] = []string{e.value}
		}
	}
	for _, e := range list {
		if e.add {
			h[e.name] = append(slices.Clone(h[e.name]), e.value)
		}
	}
}

// names are the headers that the operations touch.
func (p *parser) names() []string {
	var out []string
	for _, n := range p.remove {
		out = append(out, strings.ToLower(n))
	}
	for _, o := range p.add {
		out = append(out, strings.ToLower(o.GetHeader().GetKey()))
	}
	return out
}

// sent are the headers of the call.
func (c *call) sent() headerSet {
	h := headerSet{}
	for _, f := range c.headers {
		n := strings.ToLower(f.name)
		h[n] = append(h[n], f.value)
	}
	return h
}

// message is a request as formatters see it.
type message struct {
	method, host, path string
	headers            headerSet
}

// formatter evaluates the commands in a header's value. What only a running proxy knows is "<its name>".
func (c *call) formatter(m *message, response headerSet) func(string) string {
	return func(text string) string {
		var b strings.Builder
		for {
			before, rest, found := strings.Cut(text, "%")
			b.WriteString(before)
			if !found {
				return b.String()
			}
			command, after, _ := strings.Cut(rest, "%")
			b.WriteString(c.command(command, m, response))
			text = after
		}
	}
}

func (c *call) command(command string, m *message, response headerSet) string {
	name, argument, _ := strings.Cut(strings.TrimSuffix(command, ")"), "(")
	argument = strings.ToLower(argument)
	first := func(h headerSet) string {
		// Of several values the formatter takes the first.
		if v := h[argument]; len(v) > 0 {
			return v[0]
		}
		return ""
	}
	switch name {
	case "":
		return "%"
	case "REQ":
		switch argument {
		case ":method":
			return m.method
		case ":path":
			return m.path
		case ":authority", "host":
			return m.host
		case ":scheme":
			return c.scheme()
		}
		return first(m.headers)
	case "RESP":
		return first(response)
	case "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT":
		return clientIP
	case "DOWNSTREAM_LOCAL_ADDRESS":
		return fmt.Sprintf("%s:%d", c.address, c.port)
	}
	return "<" + command + ">"
}
