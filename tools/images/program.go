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
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// readProgram reads a Go program, and what it was built from.
func readProgram(file string, platform v1.Platform) ([]byte, *debug.BuildInfo, error) {
	content, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, fmt.Errorf("%w: `make build-linux` builds what --bin must have", err)
	}
	if err != nil {
		return nil, nil, err
	}
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return nil, nil, fmt.Errorf("--bin: %w", err)
	}
	if err := checkBuild(info, platform); err != nil {
		return nil, nil, fmt.Errorf("--bin: %s %w: `make build-linux PLATFORM=%s` builds it", file, err, platform)
	}
	return content, info, nil
}

// checkBuild says when a program would not run in the image, or would have other bytes when somebody else builds it.
func checkBuild(info *debug.BuildInfo, platform v1.Platform) error {
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	switch got := settings["GOOS"] + "/" + settings["GOARCH"]; {
	case got != platform.String():
		return fmt.Errorf("is for %s, not for %s", got, platform)
	case settings["CGO_ENABLED"] != "0":
		return errors.New("was built without CGO_ENABLED=0 and may need a C library that the base has not")
	case settings["-trimpath"] != "true":
		return errors.New("was built without -trimpath and hangs on where that was")
	}
	return nil
}
