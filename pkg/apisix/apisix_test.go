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

package apisix_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

func TestID(t *testing.T) {
	for _, tt := range []struct {
		parts []string
		want  string
	}{
		{[]string{"outbound", "80", "", "a.b"}, "outbound_80__a.b"},
		{[]string{"a"}, "a"},
		{[]string{strings.Repeat("x", 64)}, strings.Repeat("x", 64)},
	} {
		if got := apisix.ID(tt.parts...); got != tt.want {
			t.Errorf("ID(%q) = %q, want %q", tt.parts, got, tt.want)
		}
	}
	// Each of these must have an id of its own.
	seen := map[string][]string{}
	for _, parts := range [][]string{
		{"a", "b"},
		{"a_b"},
		{"a-b"},
		{"a", "", "b"},
		{"a", "_b"},
		{"a_", "b"},
		{"*.a"},
		{"-.a"},
		{"a b"},
		{"a\x00b"},
		{""},
		{"", ""},
		{strings.Repeat("x", 65)},
		{strings.Repeat("x", 66)},
		{strings.Repeat("x", 64)},
		{"é"},
		{"è"},
	} {
		id := apisix.ID(parts...)
		if !apisix.ValidID(id) {
			t.Errorf("ID(%q) = %q is not valid", parts, id)
		}
		if other, dup := seen[id]; dup {
			t.Errorf("ID(%q) = ID(%q) = %q", parts, other, id)
		}
		seen[id] = parts
	}
}

func TestNames(t *testing.T) {
	for _, k := range apisix.Kinds {
		kind, id, ok := apisix.SplitName(apisix.Name(k, "x"))
		if !ok || kind != k || id != "x" {
			t.Errorf("%s does not come back", k)
		}
	}
	for _, bad := range []string{"", "routes", "routes/", "routes/a/b", "routes/a b", "nothing/x", "/x"} {
		if _, _, ok := apisix.SplitName(bad); ok {
			t.Errorf("%q must not be a name", bad)
		}
	}
	up, _ := apisix.Upstreams.Order()
	route, _ := apisix.Routes.Order()
	if up > route {
		t.Error("a route would be written before its upstream")
	}
}

// FuzzAppendString compares with encoding/json.
func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "abc", "\"\\\n\r\t\x00\x1f\x7f", "é\u2028\U0001F600", "\xff\xfe", "a\xc3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := apisix.AppendString(nil, s)
		var back string
		if err := json.Unmarshal(got, &back); err != nil {
			t.Fatalf("%q becomes %s: %v", s, got, err)
		}
		if want := strings.ToValidUTF8(s, "\ufffd"); strings.ToValidUTF8(s, "") == s && back != want {
			t.Fatalf("%q comes back as %q", s, back)
		}
	})
}

// TestCanonical checks the promise of sorted keys and no white space for every type with all of its fields set.
func TestCanonical(t *testing.T) {
	text := "a"
	operations := apisix.HeaderOperations{Remove: []string{"a", "b"}, Values: []apisix.HeaderValue{
		{Name: "a", Value: []apisix.ValuePart{{Literal: "x"}}, Append: true},
		{Name: "b", Value: []apisix.ValuePart{{Literal: "x"}, {Var: "remote_addr"}}},
		{Name: "c"},
	}}
	exprs := []apisix.Expr{
		{Var: "uri", Op: apisix.OpEqual, Value: `a"b`},
		{Var: "uri", Not: true, Op: apisix.OpMatch, Value: "^"},
		{Logic: apisix.LogicOr, Exprs: []apisix.Expr{{Var: "a", Op: apisix.OpEqual, Value: "1"}, {Var: "b", Op: apisix.OpEqual, Value: "2"}}},
	}
	for _, o := range []interface{ AppendJSON([]byte) []byte }{
		&apisix.Upstream{
			ID: "i", Name: "n", Type: apisix.CHash, HashOn: apisix.HashOnVars, Key: "remote_addr", Scheme: apisix.SchemeGRPC,
			Nodes: []apisix.Node{{Host: "h", Port: 1, Weight: 2}, {Host: "i", Port: 3}}, Retries: 1,
			Timeout: apisix.Timeout{Connect: 0.5, Send: 1, Read: 1e6}, KeepalivePool: apisix.KeepalivePool{IdleTimeout: 1.5, Requests: 2},
		},
		&apisix.Upstream{},
		&apisix.Route{
			ID: "i", Name: "n", Hosts: []string{"a", "b"}, URI: "/*", Vars: exprs, Priority: -1, UpstreamID: "u", EnableWebsocket: true,
			Plugins: []apisix.Plugin{
				&apisix.MeshDirectResponse{Status: 500},
				&apisix.TrafficSplit{Upstreams: []apisix.WeightedUpstream{{UpstreamID: "u", Weight: 1}, {UpstreamID: "v"}}},
			},
		},
		&apisix.MeshCORS{
			AllowOrigins: []apisix.OriginMatch{{Exact: &text}, {Prefix: &text}, {Regex: "^a"}}, AllowMethods: "GET", AllowHeaders: "a",
			ExposeHeaders: "b", MaxAge: "1", AllowCredentials: true, AnswerUnmatchedPreflights: true,
		},
		&apisix.MeshDirectResponse{Status: 200, Body: []byte("a")},
		&apisix.MeshDirectResponse{Status: 200, Body: []byte{0xff}},
		&apisix.MeshFault{Abort: &apisix.MeshFaultAbort{HTTPStatus: 500, Percentage: 0.5}, Delay: &apisix.MeshFaultDelay{Duration: 1, Percentage: 2}},
		&apisix.MeshFault{Abort: &apisix.MeshFaultAbort{GRPC: true, Percentage: 100}},
		&apisix.MeshHeaders{Request: operations, Response: operations},
		&apisix.MeshMirror{Mirrors: []apisix.MirrorTo{{UpstreamID: "u", Percentage: 1}, {UpstreamID: "v", Percentage: 0.25}}},
		&apisix.MeshRedirect{Code: 301, Scheme: "https", Authority: "a", Port: 1, PrefixRewrite: &apisix.PrefixRewrite{Prefix: "/a", Rewrite: "/b"}},
		&apisix.MeshRedirect{Code: 301, Path: "/a"},
		&apisix.MeshRetry{SetAttempts: true, On: []string{apisix.Retry5xx}, Statuses: []int{404, 409}, Backoff: 0.1, PreviousHosts: true, PerTryTimeout: 0.5, Timeout: 1},
		&apisix.MeshRetry{SetAttempts: true, Attempts: 1, On: []string{}, Statuses: []int{503}},
		&apisix.MeshRewrite{URI: &apisix.PrefixRewrite{Rewrite: "/"}, Authority: "a"},
		&apisix.MeshRewrite{Regex: &apisix.RegexRewrite{Pattern: "a", Substitution: "$1"}},
		&apisix.MeshSplit{Destinations: []apisix.SplitDestination{{UpstreamID: "u", Weight: 1, Authority: "a", Request: operations, Response: operations}, {}}},
	} {
		got := o.AppendJSON(nil)
		var v any
		if err := json.Unmarshal(got, &v); err != nil {
			t.Fatalf("%s: %v", got, err)
		}
		want, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestRetryClasses(t *testing.T) {
	for _, tt := range []struct {
		on       []string
		statuses []int
		class    string
		// first and n are the first of the class's statuses, and how many there are.
		first, n int
	}{
		{[]string{apisix.RetryConnectFailure}, nil, "reset", 0, 0},
		{[]string{apisix.Retry5xx, apisix.RetryReset}, nil, "5xx", 500, 100},
		{[]string{apisix.RetryGatewayError}, []int{409, 500}, "gateway_error_409_500", 409, 5},
		{nil, []int{404, 503}, "404_503", 404, 2},
	} {
		class := apisix.RetryClass(tt.on, tt.statuses)
		statuses, ok := apisix.RetryClassStatuses(class)
		if class != tt.class || !ok || len(statuses) != tt.n || tt.n > 0 && statuses[0] != tt.first {
			t.Errorf("%v %v: class %s of %v", tt.on, tt.statuses, class, statuses)
		}
	}
	for _, class := range []string{"", "_", "x", "299", "600", "499", "5xx_a", "503 504"} {
		if _, ok := apisix.RetryClassStatuses(class); ok {
			t.Errorf("%q is no class", class)
		}
	}
}
