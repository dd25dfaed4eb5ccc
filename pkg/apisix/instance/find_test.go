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

package instance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFind lays out a home as a build from source does, and as packages do, which have the program elsewhere.
func TestFind(t *testing.T) {
	tests := []struct {
		name    string
		files   []string
		command string
		err     string
	}{
		{"from source", []string{"home/apisix/cli/apisix.lua", "home/bin/apisix", "bin/apisix", "bin/openresty"}, "home/bin/apisix", ""},
		{"from a package", []string{"home/apisix/cli/apisix.lua", "bin/apisix", "bin/openresty"}, "bin/apisix", ""},
		{"without its program", []string{"home/apisix/cli/apisix.lua", "bin/openresty"}, "", "neither in bin there nor on PATH"},
		{"something else", []string{"home/bin/apisix", "bin/openresty"}, "", "lacks apisix/cli/apisix.lua"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range tt.files {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, f)), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, f), nil, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("APISIX_HOME", filepath.Join(dir, "home"))
			t.Setenv("PATH", filepath.Join(dir, "bin"))
			got, err := Find()
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got %v, want an error with %q", err, tt.err)
				}
				return
			}
			want := Installation{Home: filepath.Join(dir, "home"), Command: filepath.Join(dir, tt.command), OpenResty: filepath.Join(dir, "bin/openresty")}
			if err != nil || got != want {
				t.Errorf("got %+v, %v, want %+v", got, err, want)
			}
		})
	}
}
