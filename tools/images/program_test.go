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
	"runtime/debug"
	"strings"
	"testing"
)

func TestCheckBuild(t *testing.T) {
	good := map[string]string{"GOOS": "linux", "GOARCH": "amd64", "CGO_ENABLED": "0", "-trimpath": "true"}
	tests := []struct{ key, value, want string }{
		{"", "", ""},
		{"GOOS", "darwin", "darwin/amd64"},
		{"GOARCH", "arm64", "linux/arm64"},
		{"CGO_ENABLED", "1", "CGO_ENABLED=0"},
		{"-trimpath", "", "-trimpath"},
	}
	for _, tt := range tests {
		info := &debug.BuildInfo{}
		for key, value := range good {
			if key == tt.key {
				value = tt.value
			}
			info.Settings = append(info.Settings, debug.BuildSetting{Key: key, Value: value})
		}
		err := checkBuild(info, amd64)
		if (err == nil) != (tt.want == "") || (err != nil && !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s=%s: got %v, want %q", tt.key, tt.value, err, tt.want)
		}
	}
}
