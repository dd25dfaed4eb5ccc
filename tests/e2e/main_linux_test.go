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

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/instance"
)

// hubDir tells the tests that they run again, in the namespace that pods are connected to, and where the programs are.
const hubDir = "E2E_HUB_DIR"

// missing is why there can be no mesh.
var missing string

// TestMain runs the tests in a network namespace of their own, with the programs built.
func TestMain(m *testing.M) {
	if os.Getenv(hubDir) != "" {
		os.Exit(m.Run())
	}
	if missing = whyNot(); missing != "" {
		os.Exit(m.Run())
	}
	os.Exit(inHub())
}

func whyNot() string {
	if os.Getenv("E2E") == "" {
		return "run them with \"make e2e\""
	}
	if _, err := instance.Find(); err != nil {
		return err.Error()
	}
	if os.Geteuid() != 0 {
		return "network namespaces need root"
	}
	for _, tool := range []string{"iptables", "ip"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "there is no " + tool + " (Debian: iptables, iproute2)"
		}
	}
	return ""
}

// inHub provides the programs and runs this one again.
func inHub() int {
	dir, err := os.MkdirTemp("", "e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if os.Getenv("E2E_KEEP") == "" {
		defer os.RemoveAll(dir)
	} else {
		fmt.Println("kept:", dir)
	}
	// The proxies run as somebody else.
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := provide(filepath.Join(dir, "bin")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Env = append(os.Environ(), hubDir+"="+dir)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// provide builds the programs, or takes those of the directory E2E_BIN: to link them takes longer than most tests.
func provide(bin string) error {
	if built := os.Getenv("E2E_BIN"); built != "" {
		return os.Symlink(built, bin)
	}
	for _, program := range []string{"pilot-discovery", "pilot-agent"} {
		build := exec.Command("go", "build", "-ldflags=-s -w", "-o", bin+"/", "./pilot-apisix/cmd/"+program)
		build.Dir = "../.."
		if program == "pilot-agent" {
			// As the images have it: its memory is measured.
			build.Env = append(os.Environ(), "CGO_ENABLED=0")
		}
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
	}
	return nil
}

// need skips a test that there can be no mesh for.
func need(t testing.TB) {
	t.Helper()
	if missing != "" {
		t.Skipf("SKIPPED: the mesh of network namespaces: %s", missing)
	}
}

// run runs a program that must succeed.
func run(t testing.TB, argv ...string) string {
	t.Helper()
	var why strings.Builder
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stderr = &why
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(argv, " "), err, out, why.String())
	}
	return string(out)
}

// process is a program that runs.
type process struct {
	cmd   *exec.Cmd
	log   string
	ended chan struct{}
}

// spawn starts a program with its output in a file.
func spawn(t testing.TB, log string, cmd *exec.Cmd) *process {
	t.Helper()
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd.Stdout, cmd.Stderr = file, file
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, log: log, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(p.ended)
	}()
	return p
}

func (p *process) signal(s os.Signal) { _ = p.cmd.Process.Signal(s) }

// lastLines is the end of a file.
func lastLines(file string, n int) string {
	f, err := os.Open(file)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	var lines []string
	for r := bufio.NewReader(f); ; {
		line, err := r.ReadString('\n')
		lines = append(lines, line)
		if err == io.EOF {
			break
		}
	}
	return strings.Join(lines[max(0, len(lines)-n):], "")
}
