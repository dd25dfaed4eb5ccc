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
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// attachedPoll is how often an instance is looked for that is nobody's child here.
const attachedPoll = 200 * time.Millisecond

// Attach takes over an instance that runs in dir, started by a process that is gone. It is false when there is none. The context only
// ends the watching.
func (i Installation) Attach(ctx context.Context, dir string) (*Instance, bool) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, false
	}
	b, err := os.ReadFile(filepath.Join(dir, pidFile))
	if err != nil {
		return nil, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || !isMaster(pid, dir) {
		return nil, false
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		return nil, false
	}
	p := &Instance{installation: i, dir: dir, process: process, done: make(chan struct{})}
	go func() {
		for isMaster(pid, dir) {
			select {
			case <-time.After(attachedPoll):
			case <-ctx.Done():
				return
			}
		}
		p.err = fmt.Errorf("APISIX in %s has ended", dir)
		close(p.done)
	}()
	return p, true
}

// isMaster says whether pid is nginx's master process of the instance in dir.
func isMaster(pid int, dir string) bool {
	title, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && bytes.Contains(title, []byte("nginx: master process")) && bytes.Contains(title, []byte(" -p "+dir+" "))
}

// Config is the config.yaml that the instance was last told to have.
func (p *Instance) Config() ([]byte, error) {
	return os.ReadFile(filepath.Join(p.dir, configFile))
}

// Reload has the instance go on with another config.yaml. New worker processes take the connections that come, the old ones end those that
// they have. A configuration that APISIX or nginx does not take changes nothing, and the error has what they say.
func (p *Instance) Reload(ctx context.Context, config []byte) error {
	nginx := filepath.Join(p.dir, "conf/nginx.conf")
	oldConfig, err := p.Config()
	if err != nil {
		return err
	}
	oldNginx, err := os.ReadFile(nginx)
	if err != nil {
		return err
	}
	if err := p.check(ctx, config); err != nil {
		_ = writeConfig(p.dir, oldConfig)
		_ = os.WriteFile(nginx, oldNginx, 0o600)
		return err
	}
	return p.process.Signal(syscall.SIGHUP)
}

func (p *Instance) check(ctx context.Context, config []byte) error {
	if err := writeConfig(p.dir, config); err != nil {
		return err
	}
	return p.installation.check(ctx, p.dir)
}

// Quit lets the instance end what it has begun, and take nothing more. Done says when it has ended.
func (p *Instance) Quit() error { return p.process.Signal(syscall.SIGQUIT) }

// Kill ends the instance and all of its processes at once.
func (p *Instance) Kill() error { return syscall.Kill(-p.process.Pid, syscall.SIGKILL) }

// LogFile is where the instance writes what goes wrong, unless config.yaml says otherwise.
func (p *Instance) LogFile() string { return filepath.Join(p.dir, "logs/error.log") }
