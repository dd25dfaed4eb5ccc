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

package main

import (
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDockerfiles compares each recipe with the Dockerfile that makes the same image.
func TestDockerfiles(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recipes {
		t.Run(r.name, func(t *testing.T) {
			text, err := os.ReadFile("../../pilot-apisix/docker/Dockerfile." + r.name)
			if err != nil {
				t.Fatal(err)
			}
			program := "/" + path.Join(binDir, r.program)
			want := map[string]string{
				"USER": r.user, "WORKDIR": "/", "STOPSIGNAL": "SIGTERM", "ENTRYPOINT": `["` + program + `"]`,
			}
			copies := []string{"out/linux/${TARGETARCH:-amd64}/" + r.program + " " + program}
			if r.lua {
				copies = append(copies, "pilot-apisix/lua/apisix /"+path.Join(luaDir, "apisix"))
			}
			// Of an instruction that overrides itself, the last holds.
			got := map[string]string{}
			var gotCopies []string
			for _, m := range regexp.MustCompile(`(?m)^([A-Z]+) (.*)$`).FindAllStringSubmatch(string(text), -1) {
				if m[1] == "COPY" {
					gotCopies = append(gotCopies, m[2])
				}
				got[m[1]] = m[2]
			}
			for instruction, value := range want {
				if got[instruction] != value {
					t.Errorf("%s %s, want %s", instruction, got[instruction], value)
				}
			}
			if !slices.Equal(gotCopies, copies) {
				t.Errorf("COPY %v, want %v", gotCopies, copies)
			}
			for _, dir := range r.writable {
				if !strings.Contains(got["RUN"], " /"+dir) {
					t.Errorf("RUN %s makes no /%s", got["RUN"], dir)
				}
			}
			base := regexp.MustCompile(`(?m)^ARG BASE=(.*)$`).FindSubmatch(text)
			// Only with a daemon can the base of proxy_init be one that iptables is yet to be installed on.
			if r.needs == "" && (base == nil || !strings.Contains(string(makefile), "_BASE ?= "+string(base[1])+"\n")) {
				t.Errorf("the base is %q, which the Makefile has not", base)
			}
		})
	}
}
