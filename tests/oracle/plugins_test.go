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
	"math/rand"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/lua"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/simulate"
)

// TestPlugins sends requests through plugins to backends that answer with what they got.
func TestPlugins(t *testing.T) {
	m := start(t, append([]string{"fault-injection", "traffic-split"}, lua.Plugins()...)...)
	b := newBackends(t)
	seed := environment(t, "ORACLE_SEED", 1)
	tables := environment(t, "ORACLE_TABLES", 20)
	t.Logf("ORACLE_SEED=%d ORACLE_TABLES=%d", seed, tables)
	requests, shown, forwarded, copies := 0, 0, 0, 0
	answered := map[int]int{}
	compare := func(real answer, result simulate.Result) string { return samePassage(b, real, result) }
	// One disagreement of a table is shown.
	tellers := map[int64]bool{}
	for i := range tables {
		g := &generator{rand.New(rand.NewSource(seed*1_000_003 + i))}
		table := append(slices.Clone(b.upstreams), g.pluginTable()...)
		config, err := simulate.New(table)
		if err != nil {
			t.Fatalf("table %d of seed %d: %v", i, seed, err)
		}
		m.serve(table)
		for range requestsPerTable {
			r := g.pluginRequest()
			requests++
			r.Header.Set(headerID, "0")
			if d := m.play(table, config, r, compare); d != nil {
				if shown++; len(tellers) < most && !tellers[i] {
					tellers[i] = true
					m.shrink(d, compare).report(t, fmt.Sprintf("table %d of seed %d", i, seed))
					m.serve(table)
				}
				continue
			}
			result := config.HTTP(r)
			if result.Response != nil {
				answered[result.Response.Status]++
			} else {
				forwarded++
			}
			copies += len(result.Mirrors)
		}
	}
	t.Logf("%d requests, %d disagreements; %d forwarded with %d copies, answers by status: %v", requests, shown, forwarded, copies, answered)
}

// samePassage compares an answer, or what the backend got and what came back from it.
func samePassage(b *backends, real answer, result simulate.Result) string {
	if len(result.NotSimulated) > 0 {
		return fmt.Sprint("not simulated: ", result.NotSimulated)
	}
	if real.err != nil {
		return "APISIX does not answer: " + real.err.Error()
	}
	if want := result.Response; want != nil && len(result.Destinations) == 0 {
		switch {
		case real.status != want.Status:
			return fmt.Sprintf("APISIX answers %d, the simulator %d", real.status, want.Status)
		case want.Body != "" && real.body != "" && real.body != want.Body:
			return fmt.Sprintf("APISIX answers %q, the simulator %q", real.body, want.Body)
		}
		return sameHeader("the answer", visible(real.header), visible(want.Header))
	}
	var diffs []string
	for _, d := range result.Destinations {
		diff := sameDestination(b, real, d)
		if diff == "" && d.Status == 0 {
			diff = sameCopies(b, result)
		}
		if diff == "" {
			return ""
		}
		diffs = append(diffs, d.UpstreamID+": "+diff)
	}
	return fmt.Sprintf("APISIX answers %d; %s", real.status, strings.Join(diffs, "; "))
}

func sameDestination(b *backends, real answer, d simulate.Destination) string {
	if d.Status != 0 {
		if real.status != d.Status {
			return fmt.Sprintf("the status is %d, the simulator says %d", real.status, d.Status)
		}
		return sameHeader("the answer", visible(real.header), changed(http.Header{}, d.ResponseChanges))
	}
	want := d.Request
	id := want.Header.Get(headerID)
	got, ok := lastOf(b, id, d.UpstreamID, want.Host)
	switch {
	case !ok:
		return "its backend got nothing with the host " + want.Host
	case real.status != http.StatusOK:
		return fmt.Sprintf("the status is %d", real.status)
	case got.Method != want.Method || got.Host != want.Host || got.Target != want.Path:
		return fmt.Sprintf("the backend got %s %s%s, the simulator says %s %s%s", got.Method, got.Host, got.Target, want.Method, want.Host, want.Path)
	}
	if diff := sameHeader("the forwarded request", passed(got.Header), passed(want.Header)); diff != "" {
		return diff
	}
	return sameHeader("the response", visible(real.header), visible(changed(backendHeader.Clone(), d.ResponseChanges)))
}

func changed(h http.Header, changes []simulate.HeaderChange) http.Header {
	for _, c := range changes {
		switch c.Action {
		case simulate.Set:
			h.Set(c.Name, c.Value)
		case simulate.Add:
			h.Add(c.Name, c.Value)
		case simulate.Remove:
			h.Del(c.Name)
		}
	}
	return h
}

func lastOf(b *backends, id, upstream, host string) (echo, bool) {
	list := b.of(id)
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].Backend == upstream && list[i].Host == host {
			return list[i], true
		}
	}
	return echo{}, false
}

// sameCopies waits for the copies of a request. Where destinations differ in their host, a copy has that of the chosen one.
func sameCopies(b *backends, result simulate.Result) string {
	first := result.Destinations[0].Request
	id := first.Header.Get(headerID)
	for _, d := range result.Destinations {
		if d.Request.Host != first.Host {
			return ""
		}
	}
	for _, m := range result.Mirrors {
		var got echo
		found := false
		for end := time.Now().Add(settle); !found && time.Now().Before(end); time.Sleep(time.Millisecond) {
			got, found = lastOf(b, id, m.UpstreamID, m.Host)
		}
		switch {
		case !found:
			return fmt.Sprintf("no copy for %s with the host %s", m.UpstreamID, m.Host)
		case got.Target != m.Path || got.Method != first.Method:
			return fmt.Sprintf("the copy is for %s %s, the simulator says %s %s", got.Method, got.Target, first.Method, m.Path)
		}
	}
	for _, e := range b.of(id) {
		if len(result.Mirrors) == 0 && strings.Contains(e.Host, "-shadow") {
			return "there is a copy for " + e.Backend
		}
	}
	return ""
}

// passed is what of a request's header a plugin or a client decides.
func passed(h http.Header) http.Header {
	out := http.Header{}
	for k, v := range h {
		switch k {
		case "X-Real-Ip", "X-Forwarded-For", "X-Forwarded-Port", "Connection", "Keep-Alive", "Content-Length", "Te":
		default:
			out[k] = v
		}
	}
	return out
}

// visible is what of a response's header a plugin or a backend decides.
func visible(h http.Header) http.Header {
	out := http.Header{}
	for k, v := range h {
		switch k {
		case "Date", "Server", "Connection", "Content-Length", "Content-Type", "Transfer-Encoding", "X-Apisix-Upstream-Status", "Vary":
		default:
			out[k] = v
		}
	}
	return out
}

func sameHeader(of string, got, want http.Header) string {
	names := map[string]bool{}
	for k := range got {
		names[k] = true
	}
	for k := range want {
		names[k] = true
	}
	for k := range names {
		if !slices.Equal(trimmed(got[k]), trimmed(want[k])) {
			return fmt.Sprintf("%s has %s: %q, the simulator says %q", of, k, got[k], want[k])
		}
	}
	return ""
}

// trimmed is without the spaces around values, which mean nothing.
func trimmed(values []string) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = strings.Trim(v, " ")
	}
	return out
}
