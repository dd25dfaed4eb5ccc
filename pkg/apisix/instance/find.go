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
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// ErrNotFound says that there is no APISIX on this machine.
var ErrNotFound = errors.New("no APISIX found: set APISIX_HOME to the directory with apisix/cli/apisix.lua, or put apisix on PATH")

// defaultHome is where APISIX's packages install it.
const defaultHome = "/usr/local/apisix"

// Installation is an APISIX with its runtime. Instances share it and write nothing into it.
type Installation struct {
	// Home has apisix/, conf/ and deps/.
	Home string
	// Command is the program apisix: bin/apisix of a build from source, while packages and the official image have /usr/bin/apisix alone.
	Command string
	// OpenResty is the runtime's program.
	OpenResty string
}

// Find looks for APISIX in APISIX_HOME, beside the apisix on PATH, and where its packages put it; the error is ErrNotFound, or
// says what is incomplete. The runtime is the openresty on PATH or in its standard place.
func Find() (Installation, error) {
	home := os.Getenv("APISIX_HOME")
	if home == "" {
		home = homeOnPath()
	}
	if home == "" && exists(filepath.Join(defaultHome, "apisix/cli/apisix.lua")) {
		home = defaultHome
	}
	if home == "" {
		return Installation{}, ErrNotFound
	}
	return At(home)
}

// At is the APISIX that is installed in home. The error says what is missing.
func At(home string) (Installation, error) {
	if !exists(filepath.Join(home, "apisix/cli/apisix.lua")) {
		return Installation{}, fmt.Errorf("%s is no APISIX: it lacks apisix/cli/apisix.lua", home)
	}
	command := filepath.Join(home, "bin/apisix")
	if !exists(command) {
		var err error
		if command, err = exec.LookPath("apisix"); err != nil {
			return Installation{}, fmt.Errorf("APISIX is in %s, but its program apisix is neither in bin there nor on PATH", home)
		}
	}
	for _, name := range []string{"openresty", "/usr/local/openresty/bin/openresty", "/usr/local/openresty/nginx/sbin/nginx"} {
		if path, err := exec.LookPath(name); err == nil {
			return Installation{Home: home, Command: command, OpenResty: path}, nil
		}
	}
	return Installation{}, fmt.Errorf("APISIX is in %s, but its runtime openresty is neither on PATH nor in /usr/local/openresty", home)
}

// homeOnPath is the installation that the apisix on PATH belongs to, when that is a link into one.
func homeOnPath() string {
	path, err := exec.LookPath("apisix")
	if err != nil {
		return ""
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return ""
	}
	if home := filepath.Dir(filepath.Dir(path)); exists(filepath.Join(home, "apisix/cli/apisix.lua")) {
		return home
	}
	return ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
