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

package bootstrap

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"istio.io/istio/pilot/cmd/pilot-discovery/app"
	"istio.io/istio/pkg/log"
	"istio.io/istio/pkg/test/util/assert"
)

// Environment variables that make the test binary something else. Istio's log is one for a process and cannot be set up
// again while istiod runs, so that tests that need a log of their own need a process of their own.
const (
	// upstreamEnv has the arguments, as JSON, with which the process is upstream's pilot-discovery.
	upstreamEnv = "PILOT_APISIX_TEST_UPSTREAM"
	// childEnv marks a process that runs one test for another.
	childEnv = "PILOT_APISIX_TEST_CHILD"
)

// logFile has what istiod says from warnings on.
var logFile string

func TestMain(m *testing.M) {
	if args := os.Getenv(upstreamEnv); args != "" {
		os.Exit(runUpstream(args))
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "bootstrap-test-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		logFile = filepath.Join(dir, "log")
		opts := log.DefaultOptions()
		opts.OutputPaths = []string{logFile}
		opts.SetDefaultOutputLevel(log.OverrideScopeName, log.WarnLevel)
		if err := log.Configure(opts); err != nil {
			panic(err)
		}
		return m.Run()
	}())
}

func runUpstream(text string) int {
	var args []string
	if err := json.Unmarshal([]byte(text), &args); err != nil {
		panic(err)
	}
	root := app.NewRootCommand()
	root.SetArgs(args)
	root.SilenceErrors = true
	if err := root.Execute(); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// logged gives a way to read what istiod has said since.
func logged(t *testing.T) func() string {
	t.Helper()
	read := func() string {
		_ = log.Sync()
		text, err := os.ReadFile(logFile)
		assert.NoError(t, err)
		return string(text)
	}
	start := len(read())
	return func() string { return read()[start:] }
}

// inOwnProcess runs the test that calls it in a process where no other test has been, and reports whether this is it.
func inOwnProcess(t *testing.T) bool {
	t.Helper()
	if os.Getenv(childEnv) != "" {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), childEnv+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
	return false
}
