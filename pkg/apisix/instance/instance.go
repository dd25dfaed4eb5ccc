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
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// stopTimeout is how long requests in flight may take when an instance stops.
const stopTimeout = 5 * time.Second

// maxDir is how long the path of an instance may be: APISIX puts unix sockets into its logs directory, and Linux allows
// those 107 bytes.
const maxDir = 107 - len("/logs/stream_worker_events.sock")

// Instance is a running APISIX.
type Instance struct {
	installation Installation
	dir          string
	// process is nginx's master.
	process *os.Process
	done    chan struct{}
	err     error
}

// Start runs an instance in dir, which it fills: config.yaml is config, everything else is links into the installation. The
// instance's logs are in dir/logs, what it prints goes to out. It ends when ctx does, or by Stop.
func (i Installation) Start(ctx context.Context, dir string, config []byte, out io.Writer) (*Instance, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if len(dir) > maxDir {
		return nil, fmt.Errorf("the directory of an APISIX instance may have %d characters at most: %s", maxDir, dir)
	}
	if err := i.prepare(dir, config); err != nil {
		return nil, fmt.Errorf("APISIX instance in %s: %w", dir, err)
	}
	if err := i.init(ctx, dir); err != nil {
		return nil, err
	}
	cmd := exec.Command(i.OpenResty, append(nginxArgs(dir), "-g", "daemon off;")...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	// A group of its own, so that the workers can be ended with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Instance{installation: i, dir: dir, process: cmd.Process, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	context.AfterFunc(ctx, func() { _ = p.Stop() })
	return p, nil
}

// Check fills dir as Start does, starts nothing, and is what APISIX or nginx have against the configuration ("apisix test").
func (i Installation) Check(ctx context.Context, dir string, config []byte) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := i.prepare(dir, config); err != nil {
		return fmt.Errorf("APISIX instance in %s: %w", dir, err)
	}
	return i.check(ctx, dir)
}

// prepare fills dir. APISIX takes the current directory for its home when apisix/cli/apisix.lua is below it.
func (i Installation) prepare(dir string, config []byte) error {
	if err := os.MkdirAll(filepath.Join(dir, "conf/cert"), 0o755); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "logs"), 0o755); err != nil {
		return err
	}
	links := []string{"apisix", "deps", "conf/mime.types", "conf/debug.yaml"}
	certs, err := filepath.Glob(filepath.Join(i.Home, "conf/cert/*"))
	if err != nil {
		return err
	}
	for _, c := range certs {
		links = append(links, filepath.Join("conf/cert", filepath.Base(c)))
	}
	for _, l := range links {
		if target := filepath.Join(i.Home, l); exists(target) {
			if err := relink(target, filepath.Join(dir, l)); err != nil {
				return err
			}
		}
	}
	if err := writeConfig(dir, config); err != nil {
		return err
	}
	// What an instance that was killed left behind would keep this one from starting.
	stale, err := filepath.Glob(filepath.Join(dir, "logs/*.sock"))
	if err != nil {
		return err
	}
	for _, s := range append(stale, filepath.Join(dir, pidFile)) {
		if err := os.Remove(s); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// configFile is the configuration below an instance's directory, pidFile the number of nginx's master process.
const (
	configFile = "conf/config.yaml"
	pidFile    = "logs/nginx.pid"
)

func writeConfig(dir string, config []byte) error {
	return os.WriteFile(filepath.Join(dir, configFile), config, 0o600)
}

func nginxArgs(dir string) []string {
	return []string{"-p", dir, "-c", filepath.Join(dir, "conf/nginx.conf")}
}

func relink(target, link string) error {
	if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Symlink(target, link)
}

// init makes nginx.conf from config.yaml, which checks it.
func (i Installation) init(ctx context.Context, dir string) error {
	cmd := exec.CommandContext(ctx, i.Command, "init")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(i.OpenResty)+string(os.PathListSeparator)+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("apisix init in %s: %w: %s", dir, err, bytes.TrimSpace(out))
	}
	return nil
}

// check makes nginx.conf and has nginx read it.
func (i Installation) check(ctx context.Context, dir string) error {
	if err := i.init(ctx, dir); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, i.OpenResty, append(nginxArgs(dir), "-t", "-q")...).CombinedOutput(); err != nil {
		return fmt.Errorf("nginx -t in %s: %w: %s", dir, err, bytes.TrimSpace(out))
	}
	return nil
}

// Done is closed when the instance has ended.
func (p *Instance) Done() <-chan struct{} { return p.done }

// Err says how the instance ended, once Done is closed.
func (p *Instance) Err() error {
	select {
	case <-p.done:
		return p.err
	default:
		return nil
	}
}

// ErrorLog is the end of the instance's error log.
func (p *Instance) ErrorLog() string {
	b, err := os.ReadFile(p.LogFile())
	if err != nil {
		return err.Error()
	}
	const most = 8 << 10
	return string(b[max(0, len(b)-most):])
}

// Stop lets requests in flight finish, then ends the instance with all of its workers.
func (p *Instance) Stop() error {
	select {
	case <-p.done:
		return p.err
	default:
	}
	_ = p.Quit()
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		_ = p.Kill()
		<-p.done
	}
	return p.err
}
