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
	"time"
)

// faultInjection is APISIX's plugin of that name.
type faultInjection struct {
	nothing
	abort *abort
	delay *delay
}

type abort struct {
	chance
	status int
	body   string
	header map[string]string
}

type delay struct {
	chance
	duration time.Duration
}

// chance is a share of the requests for which conditions hold.
type chance struct {
	percent float64
	vars    []expr
}

type faultVars struct {
	Percentage *int                `json:"percentage"`
	Vars       [][]json.RawMessage `json:"vars"`
}

func (v faultVars) chance() (chance, error) {
	c := chance{percent: 100}
	if v.Percentage != nil {
		c.percent = max(0, min(100, float64(*v.Percentage)))
	}
	if v.Vars != nil && len(v.Vars) == 0 {
		return c, fmt.Errorf("an empty vars is %w", errNotSimulated)
	}
	for _, vars := range v.Vars {
		e, err := parseVars(vars)
		if err != nil {
			return c, err
		}
		c.vars = append(c.vars, e)
	}
	return c, nil
}

func parseFaultInjection(raw json.RawMessage) (plugin, error) {
	conf, err := decodeConf[struct {
		Abort *struct {
			faultVars
			HTTPStatus int            `json:"http_status"`
			Body       string         `json:"body"`
			Headers    map[string]any `json:"headers"`
		} `json:"abort"`
		Delay *struct {
			faultVars
			Duration float64 `json:"duration"`
		} `json:"delay"`
	}](raw)
	if err != nil {
		return nil, err
	}
	f := &faultInjection{}
	if a := conf.Abort; a != nil {
		if a.HTTPStatus < http.StatusOK {
			return nil, fmt.Errorf("abort: APISIX does not take the status %d", a.HTTPStatus)
		}
		f.abort = &abort{status: a.HTTPStatus, body: a.Body, header: map[string]string{}}
		if f.abort.chance, err = a.chance(); err != nil {
			return nil, fmt.Errorf("abort: %w", err)
		}
		for name, v := range a.Headers {
			f.abort.header[name] = fmt.Sprint(v)
		}
	}
	if d := conf.Delay; d != nil {
		f.delay = &delay{duration: seconds(d.Duration)}
		if f.delay.chance, err = d.chance(); err != nil {
			return nil, fmt.Errorf("delay: %w", err)
		}
	}
	return f, nil
}

// strikes says whether the fault can strike the request at all.
func (c *chance) strikes(r *request) bool { return c.percent > 0 && anyHolds(c.vars, r) }

func (f *faultInjection) rewrite(e *exchange) {
	if d := f.delay; d != nil && d.strikes(e.request) && d.duration > 0 {
		e.result.Faults = append(e.result.Faults, Fault{Plugin: "fault-injection", Percent: d.percent, Delay: d.duration})
	}
	a := f.abort
	if a == nil || !a.strikes(e.request) {
		return
	}
	r := &Response{Status: a.status, Body: e.interpolate(a.body)}
	for name, v := range a.header {
		if r.Header == nil {
			r.Header = http.Header{}
		}
		r.Header.Set(name, e.interpolate(v))
	}
	e.abort("fault-injection", a.percent, r)
}

// abort notes an abort, and answers with it when it strikes every request.
func (e *exchange) abort(plugin string, percent float64, r *Response) {
	e.result.Faults = append(e.result.Faults, Fault{Plugin: plugin, Percent: percent, Abort: r})
	if percent >= 100 {
		e.why.add("%s answers with status %d", plugin, r.Status)
		e.respond(r)
	}
}

// reference is what APISIX replaces in a text (core.utils.resolve_var). PCRE's look-behind for a backslash is a group here.
var reference = regexp.MustCompile(`(\\?)\$(?:\{\s*([^}]+?)\s*\}|([\w.]+))`)

// interpolate replaces the variables in a text of APISIX's own plugins.
func (e *exchange) interpolate(s string) string {
	if !strings.Contains(s, "$") {
		return s
	}
	return reference.ReplaceAllStringFunc(s, func(whole string) string {
		m := reference.FindStringSubmatch(whole)
		if m[1] != "" {
			return whole
		}
		name, fallback, _ := strings.Cut(m[2]+m[3], "??")
		if v := e.variable(strings.TrimSpace(name), e.base); v.ok {
			return v.text
		}
		return strings.TrimSpace(fallback)
	})
}
