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
	"bufio"
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/instance"
)

// luaDecisions plays all calls with the plugins' own Lua, in one LuaJIT. It is nil where there is none.
func luaDecisions(t *testing.T, scenarios []*rbacScenario) [][]rbacDecision {
	t.Helper()
	if exec.Command("luajit", "-e", `require("cjson.safe")`).Run() != nil {
		t.Log("SKIPPED: the Lua is not compared, because there is no luajit with cjson (Debian: luajit lua-cjson)")
		return nil
	}
	var in bytes.Buffer
	enc := json.NewEncoder(&in)
	enc.SetEscapeHTML(false)
	for _, s := range scenarios {
		assert.NoError(t, enc.Encode(map[string]any{
			"http": s.conf(apisix.Routes, "inbound_8080_1"), "grpc": s.conf(apisix.Routes, "inbound_8081_1"), "tcp": s.conf(apisix.StreamRoutes, "inbound_9090"),
			"calls": s.luaCalls(),
		}))
	}
	cmd := exec.Command("luajit", "testdata/rbac.lua", "../../pilot-apisix/lua/?.lua", ipMatcher(t))
	cmd.Stdin = &in
	var problems bytes.Buffer
	cmd.Stderr = &problems
	raw, err := cmd.Output()
	if err != nil {
		t.Fatalf("luajit: %v\n%s", err, problems.String())
	}
	var out [][]rbacDecision
	lines := bufio.NewScanner(bytes.NewReader(raw))
	lines.Buffer(nil, 1<<20)
	for _, s := range scenarios {
		decisions := make([]rbacDecision, 0, len(s.calls))
		for i := range s.calls {
			if !lines.Scan() {
				t.Fatalf("luajit said too little: %s", problems.String())
			}
			what, rest, _ := strings.Cut(lines.Text(), "\t")
			d := rbacDecision{allowed: what == "allowed"}
			if d.allowed {
				d.path = rest
			} else {
				d.why = rest
			}
			if s.refused(&s.calls[i]) {
				d = rbacDecision{why: "the route refuses everything"}
			}
			decisions = append(decisions, d)
		}
		out = append(out, decisions)
	}
	return out
}

// luaCalls are the calls with bytes that JSON has.
func (s *rbacScenario) luaCalls() []map[string]any {
	out := make([]map[string]any, 0, len(s.calls))
	latin := func(v string) string {
		var b strings.Builder
		for i := range len(v) {
			b.WriteRune(rune(v[i]))
		}
		return b.String()
	}
	for _, c := range s.calls {
		out = append(out, map[string]any{
			"tcp": c.TCP, "port": c.Port, "dest": c.Dest, "method": c.Method, "host": c.Host, "path": latin(c.Path), "headers": c.Headers, "peer": c.Peer,
			"source": c.Source, "sni": c.SNI,
		})
	}
	return out
}

// refused says that the port of a call lets nobody in, whatever the plugin would.
func (s *rbacScenario) refused(*rbacCall) bool {
	for i := range s.sides.out.Diagnostics {
		if s.sides.out.Diagnostics[i].Code == "AuthorizationPolicyRefused" {
			return true
		}
	}
	return false
}

// ipMatcher is where the APISIX that is installed has its resty.ipmatcher; without one the script has a plain one of its own.
func ipMatcher(t *testing.T) string {
	i, err := instance.Find()
	if err != nil {
		t.Logf("the Lua's address ranges are not resty.ipmatcher's: %v", err)
		return ""
	}
	return filepath.Join(i.Home, "deps/share/lua/5.1/?.lua")
}
