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
	"fmt"
	"strings"

	"github.com/apisix-mesh/pilot-apisix/pkg/ir"
)

// headerCommands are the substitutions of Envoy's header values that have an equivalent
// (https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#custom-request-response-headers).
var headerCommands = map[string]headerCommand{
	"DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT":        {parts: []ir.ValuePart{{Variable: ir.RemoteAddress}}},
	"DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT": {parts: []ir.ValuePart{{Variable: ir.RemoteAddress}}},
	"DOWNSTREAM_REMOTE_PORT":                        {parts: []ir.ValuePart{{Variable: ir.RemotePort}}},
	"DOWNSTREAM_DIRECT_REMOTE_PORT":                 {parts: []ir.ValuePart{{Variable: ir.RemotePort}}},
	"DOWNSTREAM_REMOTE_ADDRESS":                     {parts: []ir.ValuePart{{Variable: ir.RemoteAddress}, {Literal: ":"}, {Variable: ir.RemotePort}}},
	"DOWNSTREAM_DIRECT_REMOTE_ADDRESS":              {parts: []ir.ValuePart{{Variable: ir.RemoteAddress}, {Literal: ":"}, {Variable: ir.RemotePort}}},
	"DOWNSTREAM_LOCAL_ADDRESS":                      {parts: []ir.ValuePart{{Variable: ir.OriginalDestination}}},
	"HOSTNAME":                                      {parts: []ir.ValuePart{{Variable: ir.Hostname}}},
	"UPSTREAM_HOST":                                 {response: true, parts: []ir.ValuePart{{Variable: ir.UpstreamAddress}}},
	"UPSTREAM_REMOTE_ADDRESS":                       {response: true, parts: []ir.ValuePart{{Variable: ir.UpstreamAddress}}},
	"RESPONSE_CODE":                                 {response: true, parts: []ir.ValuePart{{Variable: ir.ResponseStatus}}},
}

type headerCommand struct {
	parts []ir.ValuePart
	// response marks what is known in a response only.
	response bool
}

// pseudoHeaders are what %REQ(:name)% stands for.
var pseudoHeaders = map[string]ir.Variable{
	":method": ir.RequestMethod, ":path": ir.RequestPath, ":authority": ir.RequestAuthority, ":scheme": ir.RequestScheme,
}

// headerValue takes a value apart at its %COMMAND%s; "%%" is a percent sign. A command without an equivalent is an error.
func headerValue(text string, response bool) ([]ir.ValuePart, error) {
	var parts []ir.ValuePart
	var literal strings.Builder
	flush := func() {
		if literal.Len() > 0 {
			parts = append(parts, ir.ValuePart{Literal: literal.String()})
			literal.Reset()
		}
	}
	for {
		before, rest, found := strings.Cut(text, "%")
		literal.WriteString(before)
		if !found {
			flush()
			return parts, nil
		}
		command, after, closed := strings.Cut(rest, "%")
		switch {
		case !closed:
			return nil, fmt.Errorf("%q has a %% without an end", text)
		case command == "":
			literal.WriteByte('%')
		default:
			flush()
			more, err := headerCommandParts(command, response)
			if err != nil {
				return nil, err
			}
			parts = append(parts, more...)
		}
		text = after
	}
}

func headerCommandParts(command string, response bool) ([]ir.ValuePart, error) {
	if c, ok := headerCommands[command]; ok && (response || !c.response) {
		return c.parts, nil
	}
	name, arguments, ok := strings.Cut(command, "(")
	header, isPlain := strings.CutSuffix(arguments, ")")
	if ok && isPlain && (plainHeaderName(header) || isPseudo(header)) {
		switch v, pseudo := pseudoHeaders[header]; {
		case name == "REQ" && pseudo:
			return []ir.ValuePart{{Variable: v}}, nil
		case name == "REQ":
			return []ir.ValuePart{{Variable: ir.RequestHeader, Name: strings.ToLower(header)}}, nil
		case name == "RESP" && response && !pseudo:
			return []ir.ValuePart{{Variable: ir.ResponseHeader, Name: strings.ToLower(header)}}, nil
		}
	}
	return nil, fmt.Errorf("%%%s%% has no equivalent", command)
}

// plainHeaderName says that there can be a variable of nginx's for a header.
func plainHeaderName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	})
}

func isPseudo(header string) bool {
	_, ok := pseudoHeaders[header]
	return ok
}
