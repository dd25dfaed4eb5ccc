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

package oracle

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/simulate"
)

// disagreement is a request that the two play differently.
type disagreement struct {
	table   []simulate.Resource
	request simulate.Request
	real    answer
	result  simulate.Result
	diff    string
}

// agree says how real and result differ, or "".
type agree func(real answer, result simulate.Result) string

// settle is how long a second look waits: APISIX learns of kinds other than routes on its own time.
const settle = 10 * time.Second

// play plays one request against both.
func (m *medium) play(table []simulate.Resource, config *simulate.Config, r simulate.Request, compare agree) *disagreement {
	var d *disagreement
	for i := range 2 {
		if i > 0 {
			time.Sleep(settle)
		}
		m.number(&r)
		result := config.HTTP(r)
		real := m.send(r)
		diff := compare(real, result)
		if diff == "" {
			return nil
		}
		d = &disagreement{table, r, real, result, diff}
	}
	return d
}

// headerID numbers the requests that go on to a backend.
const headerID = "X-Id"

// number gives a request that has a number a new one.
func (m *medium) number(r *simulate.Request) {
	if r.Header.Get(headerID) != "" {
		m.requests++
		r.Header = r.Header.Clone()
		r.Header.Set(headerID, strconv.Itoa(m.requests))
	}
}

// shrink drops whatever is not needed for the disagreement.
func (m *medium) shrink(d *disagreement, compare agree) *disagreement {
	try := func(table []simulate.Resource, r simulate.Request) bool {
		config, err := simulate.New(table)
		if err != nil {
			return false
		}
		m.serve(table)
		if found := m.play(table, config, r, compare); found != nil {
			d = found
			return true
		}
		return false
	}
	for i := 0; i < len(d.table); {
		without := append(append([]simulate.Resource{}, d.table[:i]...), d.table[i+1:]...)
		if !try(without, d.request) {
			i++
		}
	}
	for name := range d.request.Header {
		if name == headerID {
			continue
		}
		r := d.request
		r.Header = r.Header.Clone()
		delete(r.Header, name)
		try(d.table, r)
	}
	return d
}

func (d *disagreement) report(t *testing.T, where string) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\nrequest (inbound: %t):\n%q\n", where, d.diff, d.request.Inbound, wire(d.request))
	for _, r := range d.table {
		fmt.Fprintf(&b, "%s/%s %s\n", r.Kind, r.ID, r.JSON)
	}
	fmt.Fprintf(&b, "APISIX: %d %q %v\nsimulate: route %q, response %+v, destinations %+v, faults %+v\nbecause:\n  %s",
		d.real.status, d.real.body, d.real.err, d.result.Route, d.result.Response, d.result.Destinations, d.result.Faults,
		strings.Join(d.result.Why, "\n  "))
	t.Error(b.String())
}
