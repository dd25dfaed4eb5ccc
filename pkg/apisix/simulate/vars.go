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
	"fmt"
	"strings"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// dedicated are the headers for whose variables nginx looks by the exact name, where an underscore is no hyphen.
var dedicated = map[string]string{
	"http_host": "host", "http_user_agent": "user-agent", "http_referer": "referer", "http_via": "via",
	"http_x_forwarded_for": "x-forwarded-for", "http_cookie": "cookie",
}

// simple are the other variables that can be played, as APISIX's ctx.var has them when it matches a route.
var simple = map[string]func(*request) value{
	"uri":            func(r *request) value { return text(r.uri) },
	"document_uri":   func(r *request) value { return text(r.uri) },
	"request_method": func(r *request) value { return text(r.method) },
	"method":         func(r *request) value { return text(r.method) },
	"scheme":         func(r *request) value { return text(r.scheme) },
	"host":           func(r *request) value { return text(r.host) },
	"remote_addr":    func(r *request) value { return text(r.remoteAddr) },
	"args":           (*request).query,
	"query_string":   (*request).query,
	"is_args":        func(r *request) value { return text(r.isArgs()) },
	// APISIX replaces it by the normalised one.
	"request_uri":             func(r *request) value { return text(r.uri + r.isArgs() + r.args) },
	"real_request_uri":        func(r *request) value { return text(r.raw) },
	apisix.VarOriginalDstPort: func(r *request) value { return text(r.portOf(false)) },
	apisix.VarInboundPort:     func(r *request) value { return text(r.portOf(true)) },
	apisix.VarRBAC:            func(*request) value { return text("1") },
	apisix.VarServerName: func(r *request) value {
		if r.serverName == "" {
			return missing
		}
		return text(r.serverName)
	},
	"connection_original_dst": func(r *request) value {
		if !r.originalDst.IsValid() {
			return missing
		}
		return text(r.originalDst.String())
	},
}

// checkVariable says whether lookup can answer for the variable.
func checkVariable(name string) error {
	for _, p := range []string{"http_", "arg_", "cookie_"} {
		if strings.HasPrefix(name, p) {
			return nil
		}
	}
	if simple[name] == nil {
		return fmt.Errorf("the variable %q is %w", name, errNotSimulated)
	}
	return nil
}

// lookup is APISIX's ctx.var. It is missing too for a variable that checkVariable refuses.
func (r *request) lookup(name string) value {
	if get := simple[name]; get != nil {
		return get(r)
	}
	switch {
	case strings.HasPrefix(name, "cookie_"):
		if c := r.headerVar("http_cookie"); c.ok {
			return cookie(c.text, name[len("cookie_"):])
		}
	case strings.HasPrefix(name, "arg_"):
		if r.queries == nil {
			r.queries = parseArgs(r.args)
		}
		return r.queries[name[len("arg_"):]]
	case strings.HasPrefix(name, "http_"):
		return r.headerVar(strings.ReplaceAll(asciiLower(name), "-", "_"))
	}
	return missing
}

func (r *request) query() value {
	if !r.hasArgs {
		return missing
	}
	return text(r.args)
}

func (r *request) isArgs() string {
	if r.args == "" {
		return ""
	}
	return "?"
}

// headerVar joins the values of a header as nginx does.
func (r *request) headerVar(name string) value {
	if name == "http_host" {
		return text(r.httpHost)
	}
	exact, separator := dedicated[name], ", "
	if name == "http_cookie" {
		separator = "; "
	}
	var values []string
	for _, n := range r.names {
		lower := asciiLower(n)
		if exact != "" && lower == exact || exact == "" && "http_"+strings.ReplaceAll(lower, "-", "_") == name {
			values = append(values, r.header[n]...)
		}
	}
	if len(values) == 0 {
		return missing
	}
	return text(strings.Join(values, separator))
}
