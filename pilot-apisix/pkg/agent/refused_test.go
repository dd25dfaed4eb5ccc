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

package agent

import (
	"strconv"
	"strings"
	"testing"

	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/ads"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/intake"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/store"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

func TestParseRefused(t *testing.T) {
	for _, tt := range []struct{ name, line, want string }{
		{
			"a route", `… [lua] refused.lua:44: tell(): mesh refused: {"reason":"property \"code\" validation failed: matches none of the enum values",` +
				`"key":"/apisix/routes/a","revision":"1795615035600"}, context: ngx.timer`,
			`routes/a 1795615035600 APISIX does not accept it: property "code" validation failed: matches none of the enum values`,
		},
		{
			"content in the reason", `mesh refused: {"key":"/apisix/ssls/a","revision":"7","reason":"failed to match pattern \"^a$\" with \"SECRET` + "\\n" + `SECRET\" at once"}`,
			`ssls/a 7 APISIX does not accept it: failed to match pattern "^a$" by a value that is not shown`,
		},
		{
			"a format", `mesh refused: {"key":"/apisix/ssls/a","revision":"7","reason":"expect valid ipv4 format but got: SECRET"}`,
			`ssls/a 7 APISIX does not accept it: expect valid ipv4 format by a value that is not shown`,
		},
		{"cut off", `mesh refused: {"key":"/apisix/routes/a","revi`, ""},
		{"no resource", `mesh refused: {"key":"/plugins","revision":"7","reason":"x"}`, ""},
		{"no revision", `mesh refused: {"key":"/apisix/routes/a","revision":"x","reason":"x"}`, ""},
		{"another line", `2026/11/25 13:57:19 [error] 1#1: failed to check item data of [/apisix/routes] err:x ,val: {}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			name, revision, reason, ok := parseRefused(tt.line)
			got := ""
			if ok {
				got = strings.Join([]string{name, decimal(revision), reason}, " ")
			}
			assert.Equal(t, got, tt.want)
		})
	}
}

// TestRefusals plays the log of an APISIX with several worker processes.
func TestRefusals(t *testing.T) {
	s, err := store.Open(store.Options{})
	assert.NoError(t, err)
	reported := make(chan []ads.Rejection, 10)
	r := refusals{intake: intake.NewHandler(s, nil, nil), report: func(list []ads.Rejection) { reported <- list }}
	put := func(id, json string) {
		s.Apply(store.Update{Upserts: []*store.Resource{store.NewResource(apisix.Routes, id, json, []byte(json), "")}})
	}
	say := func(id, reason string) bool {
		return r.line(`mesh refused: {"key":"/apisix/routes/` + id + `","revision":"` + decimal(s.Etcd().ModRevision("/apisix/routes/"+id)) + `","reason":"` + reason + `"}`)
	}
	put("a", "good")
	put("a", "bad")
	put("b", "bad")
	line := `mesh refused: {"key":"/apisix/routes/a","revision":"` + decimal(s.Etcd().ModRevision("/apisix/routes/a")) + `","reason":"why"}`
	for range 3 {
		assert.Equal(t, r.line(line), true)
	}
	assert.Equal(t, say("b", "why not"), true)
	assert.Equal(t, r.line("something else"), false)
	want := []ads.Rejection{
		{Name: "routes/a", Reason: "APISIX does not accept it: why"}, {Name: "routes/b", Reason: "APISIX does not accept it: why not"},
	}
	assert.Equal(t, <-reported, want)
	assert.Equal(t, r.intake.Standing(), want)
	assert.Equal(t, r.intake.Rejected(), want)
	assert.Equal(t, s.Versions(), map[string]string{"routes/a": "good"})
	select {
	case more := <-reported:
		t.Errorf("it is told again: %v", more)
	default:
	}
}
