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
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
)

// grace is how long a process may take to end when it is told to.
const grace = 5 * time.Second

// process is a program that was started, with all that it starts: it has a process group of its own.
type process struct {
	name string
	log  string
	cmd  *exec.Cmd
	// ended is closed when the process is gone; state is what became of it.
	ended chan struct{}
	// wanted is set before it is told to end.
	mu     sync.Mutex
	wanted bool
}

// processes are all that run.
type processes struct {
	// died gets an error for each process that ended by itself.
	died chan error

	mu      sync.Mutex
	running []*process
	failed  []*process
	spawn   chan func()
}

func newProcesses() *processes {
	p := &processes{died: make(chan error, 64), spawn: make(chan func())}
	go func() {
		// The kernel ends the children with the thread that started them, so this one stays.
		runtime.LockOSThread()
		for f := range p.spawn {
			f()
		}
	}()
	return p
}

// command is a program to start.
type command struct {
	// name is unique among those that run, and names the log.
	name string
	argv []string
	// dir is the working directory, logs where the log goes.
	dir, logs string
	// env is added to the little that is taken over from this process.
	env []string
}

// inherited are the variables that a process gets of ours: none that could change what a sidecar is told in a pod.
var inherited = []string{"PATH", "HOME", "TMPDIR", "LANG"}

// start runs a program until it ends or is stopped.
func (p *processes) start(c command) (*process, error) {
	proc := &process{name: c.name, log: filepath.Join(c.logs, c.name+".log"), ended: make(chan struct{})}
	// A process that is started again writes on in its log.
	log, err := os.OpenFile(proc.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	proc.cmd = exec.Command(c.argv[0], c.argv[1:]...)
	proc.cmd.Dir = c.dir
	proc.cmd.Stdout, proc.cmd.Stderr = log, log
	for _, name := range inherited {
		if v, ok := os.LookupEnv(name); ok {
			proc.cmd.Env = append(proc.cmd.Env, name+"="+v)
		}
	}
	proc.cmd.Env = append(proc.cmd.Env, c.env...)
	proc.cmd.SysProcAttr = groupAttributes()

	started := make(chan error)
	p.spawn <- func() { started <- proc.cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", c.name, err)
	}
	p.mu.Lock()
	p.running = append(p.running, proc)
	p.mu.Unlock()
	go func() {
		_ = proc.cmd.Wait()
		// Last, so that who waited finds it gone from the list.
		defer close(proc.ended)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.running = slices.DeleteFunc(p.running, func(r *process) bool { return r == proc })
		proc.mu.Lock()
		defer proc.mu.Unlock()
		if !proc.wanted {
			p.failed = append(p.failed, proc)
			p.died <- proc.unexpected()
		}
	}()
	return proc, nil
}

// signal sends sig to the process and all that it started.
func (p *process) signal(sig syscall.Signal) {
	p.mu.Lock()
	p.wanted = true
	p.mu.Unlock()
	// It may be gone already, which is what is wanted.
	_ = syscall.Kill(-p.cmd.Process.Pid, sig)
}

// kill ends the process as a crash would, and waits until it is gone.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.ended
}

// stop tells the process to end, and ends it if it does not.
func (p *process) stop() {
	p.signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(grace):
	}
	// Some of its children may still be there.
	p.kill()
}

// stopAll ends everything, what was started last first.
func (p *processes) stopAll() {
	p.mu.Lock()
	running := slices.Clone(p.running)
	p.mu.Unlock()
	slices.Reverse(running)
	var wg sync.WaitGroup
	for _, proc := range running {
		proc.signal(syscall.SIGTERM)
	}
	for _, proc := range running {
		wg.Go(proc.stop)
	}
	wg.Wait()
}

// unexpected is the error of a process that ended by itself.
func (p *process) unexpected() error {
	return fmt.Errorf("%s ended by itself: %v", p.name, p.cmd.ProcessState)
}

// explain shows the last lines of those that ended by themselves.
func (p *processes) explain(w io.Writer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, proc := range p.failed {
		fmt.Fprintf(w, "\nthe last lines of %s:\n%s\n", proc.name, tail(proc.log, 20))
	}
}

// tail is the end of a file.
func tail(file string, lines int) []byte {
	data, err := os.ReadFile(file)
	if err != nil {
		return []byte(errors.Unwrap(err).Error())
	}
	data = bytes.TrimRight(data, "\n")
	for i := len(data) - 1; i >= 0; i-- {
		if data[i] == '\n' {
			if lines--; lines == 0 {
				return data[i+1:]
			}
		}
	}
	return data
}
