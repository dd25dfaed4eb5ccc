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
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// cors is mesh-cors.
type cors struct {
	nothing
	conf    corsJSON
	regexes []*regexp.Regexp
	all     bool
}

type corsJSON struct {
	AllowOrigins []struct {
		Exact  *string `json:"exact"`
		Prefix *string `json:"prefix"`
		Regex  *string `json:"regex"`
	} `json:"allow_origins"`
	AllowMethods       string `json:"allow_methods"`
	AllowHeaders       string `json:"allow_headers"`
	ExposeHeaders      string `json:"expose_headers"`
	MaxAge             string `json:"max_age"`
	AllowCredentials   bool   `json:"allow_credentials"`
	ForwardNotMatching *bool  `json:"forward_not_matching_preflights"`
}

func parseCORS(raw json.RawMessage) (plugin, error) {
	conf, err := decodeConf[corsJSON](raw)
	if err != nil {
		return nil, err
	}
	c := &cors{conf: conf}
	for i, o := range conf.AllowOrigins {
		if o.Regex == nil {
			continue
		}
		re, err := compilePCRE(*o.Regex, false)
		if err != nil {
			return nil, fmt.Errorf("allow_origins[%d]: %w", i, err)
		}
		c.regexes = append(c.regexes, re)
	}
	// What would allow an origin named "*" allows every origin.
	c.all = c.allows("*")
	return c, nil
}

func (c *cors) allows(origin string) bool {
	if c.all {
		return true
	}
	for _, o := range c.conf.AllowOrigins {
		if o.Exact != nil && *o.Exact == origin || o.Prefix != nil && strings.HasPrefix(origin, *o.Prefix) {
			return true
		}
	}
	for _, re := range c.regexes {
		if re.MatchString(pcreSubject(origin)) {
			return true
		}
	}
	return false
}

func (c *cors) rewrite(e *exchange) {
	origin := e.headerVar("http_origin").text
	if origin == "" {
		return
	}
	allowed := c.allows(origin)
	if allowed {
		e.corsOrigin = origin
	}
	asked := e.headerVar("http_access_control_request_method").text
	if e.method != http.MethodOptions || asked == "" {
		return
	}
	if !allowed && (c.conf.ForwardNotMatching == nil || *c.conf.ForwardNotMatching) {
		e.why.add("mesh-cors forwards the preflight: the origin %s is not allowed", quote(origin))
		return
	}
	r := &Response{Status: http.StatusOK, Header: http.Header{}}
	if c.conf.AllowCredentials {
		r.Header.Set("Access-Control-Allow-Credentials", "true")
	}
	set := func(name, v, asked string) {
		if v == "*" {
			v = asked
		}
		if v != "" {
			r.Header.Set(name, v)
		}
	}
	set("Access-Control-Allow-Methods", c.conf.AllowMethods, asked)
	set("Access-Control-Allow-Headers", c.conf.AllowHeaders, e.headerVar("http_access_control_request_headers").text)
	set("Access-Control-Max-Age", c.conf.MaxAge, "")
	e.why.add("mesh-cors answers the preflight")
	e.respond(r)
}

func (c *cors) headerFilter(e *exchange) {
	if e.corsOrigin == "" {
		return
	}
	changes := []HeaderChange{{Set, "Access-Control-Allow-Origin", e.corsOrigin}}
	if c.conf.AllowCredentials {
		changes = append(changes, HeaderChange{Set, "Access-Control-Allow-Credentials", "true"})
	}
	if c.conf.ExposeHeaders != "" {
		changes = append(changes, HeaderChange{Set, "Access-Control-Expose-Headers", c.conf.ExposeHeaders})
	}
	e.responses(func(t *target) { e.changeResponse(t, changes...) })
}
