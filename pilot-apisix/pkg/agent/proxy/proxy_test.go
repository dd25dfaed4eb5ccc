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

package proxy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/instance"
)

// standinVar tells this test's program to be nginx's master process.
const standinVar = "PROXY_TEST_STANDIN"

func TestMain(m *testing.M) {
	if os.Getenv(standinVar) != "" {
		nginx()
		return
	}
	os.Exit(m.Run())
}

// nginx does what its nginx.conf says: one word, which is what it does at the start, and writes what happens to it into its error log.
func nginx() {
	args := strings.Join(os.Args[1:], " ")
	dir := os.Args[2]
	word := func() string {
		b, _ := os.ReadFile(filepath.Join(dir, "conf/nginx.conf"))
		return strings.TrimSpace(string(b))
	}
	say := func(format string, a ...any) {
		f, err := os.OpenFile(filepath.Join(dir, "logs/error.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err == nil {
			_, _ = fmt.Fprintf(f, format+"\n", a...)
			_ = f.Close()
		}
	}
	if strings.Contains(args, "-t -q") {
		if word() == "unfit" {
			fmt.Println("nginx: [emerg] unfit")
			os.Exit(1)
		}
		return
	}
	if word() == "crash" {
		say("[emerg] no luck")
		os.Exit(1)
	}
	signals := make(chan os.Signal, 10)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGQUIT)
	_ = os.WriteFile(filepath.Join(dir, "logs/nginx.pid"), []byte(fmt.Sprint(os.Getpid())), 0o600)
	say("start %s", word())
	for s := range signals {
		if s == syscall.SIGQUIT {
			say("quit %s", word())
			if word() == "stubborn" {
				continue
			}
			os.Exit(0)
		}
		say("reload %s", word())
	}
}

// standin is an installation whose APISIX is this test's program. "apisix init" takes config.yaml for nginx.conf, unless it is "invalid".
func standin(t *testing.T) instance.Installation {
	t.Helper()
	self, err := os.Executable()
	assert.NoError(t, err)
	home := t.TempDir()
	script := func(name, text string) string {
		file := filepath.Join(home, name)
		assert.NoError(t, os.WriteFile(file, []byte("#!/bin/bash\n"+text), 0o755))
		return file
	}
	t.Setenv(standinVar, "1")
	return instance.Installation{
		Home:    home,
		Command: script("apisix", "if grep -q invalid conf/config.yaml; then echo 'failed to read conf/config.yaml'; exit 1; fi\ncp conf/config.yaml conf/nginx.conf\n"),
		// The title is nginx's own.
		OpenResty: script("openresty", fmt.Sprintf("exec -a \"nginx: master process openresty $* \" %q \"$@\"\n", self)),
	}
}

// harness runs a proxy.
type harness struct {
	*Proxy
	t      *testing.T
	config atomic.Pointer[string]
	end    func()

	mu    sync.Mutex
	lines []string
}

func newHarness(t *testing.T, dir, config string) *harness {
	t.Helper()
	h := &harness{t: t}
	h.config.Store(&config)
	h.Proxy = New(Options{
		Installation: standin(t), Dir: dir,
		Config: func() ([]byte, error) {
			c := *h.config.Load()
			if c == "none" {
				return nil, errors.New("no configuration")
			}
			return []byte(c), nil
		},
		Line: func(text string) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.lines = append(h.lines, text)
		},
	})
	return h.begin()
}

// begin runs the proxy until end is called.
func (h *harness) begin() *harness {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.Run(ctx)
	}()
	h.end = func() {
		cancel()
		<-done
	}
	h.t.Cleanup(func() {
		h.end()
		h.Proxy.mu.Lock()
		defer h.Proxy.mu.Unlock()
		if h.running != nil {
			_ = h.running.Kill()
			<-h.running.Done()
		}
	})
	return h
}

// set gives the proxy another configuration.
func (h *harness) set(config string) {
	h.config.Store(&config)
	h.Changed()
}

// said is what was told of the error log.
func (h *harness) said() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.lines, ", ")
}

func await(t *testing.T, what string, f func() string) {
	t.Helper()
	var got string
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if got = f(); got == what {
			return
		}
	}
	t.Fatalf("got %q, want %q", got, what)
}

// short is a directory whose path is short enough for APISIX.
func short(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "p")
	assert.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestStartAndReload(t *testing.T) {
	h := newHarness(t, short(t), "one")
	assert.Equal(t, New(Options{}).Ready().Error(), "APISIX has not been started yet")
	// What it says at its start is told, too.
	await(t, "start one", h.said)
	assert.NoError(t, h.Ready())
	h.set("two")
	await(t, "start one, reload two", h.said)
	// The same again is no reason, and neither is what APISIX or nginx would not take, or that there is none.
	h.set("two")
	for _, bad := range []string{"invalid", "unfit", "none"} {
		h.set(bad)
		time.Sleep(2 * settle)
		for _, name := range []string{"conf/config.yaml", "conf/nginx.conf"} {
			await(t, "two", func() string {
				b, err := os.ReadFile(filepath.Join(h.opts.Dir, name))
				assert.NoError(t, err)
				return string(b)
			})
		}
	}
	h.set("three")
	await(t, "start one, reload two, reload three", h.said)
	st := h.Status()
	assert.Equal(t, []any{st.Running, st.Starts, st.Reloads, st.Failure}, []any{true, 1, 2, ""})
}

// TestRestart: an APISIX that ends is started again after longer and longer pauses, with the reason told.
func TestRestart(t *testing.T) {
	h := newHarness(t, short(t), "crash")
	await(t, "true", func() string { return fmt.Sprint(h.Status().Starts >= 3) })
	await(t, "APISIX has ended: exit status 1", func() string {
		if err := h.Ready(); err != nil {
			return err.Error()
		}
		return ""
	})
	assert.Equal(t, h.Status().Running, false)
	if !strings.HasPrefix(h.said(), "[emerg] no luck, [emerg] no luck") {
		t.Errorf("what it said was not told: %s", h.said())
	}
	h.set("invalid")
	await(t, "true", func() string {
		err := h.Ready()
		return fmt.Sprint(err != nil && strings.Contains(err.Error(), "failed to read conf/config.yaml"))
	})
	h.set("good")
	await(t, "true", func() string { return fmt.Sprint(strings.HasSuffix(h.said(), "start good")) })
	assert.NoError(t, h.Ready())

	starts := h.Status().Starts
	h.Proxy.mu.Lock()
	running := h.running
	h.Proxy.mu.Unlock()
	assert.NoError(t, running.Kill())
	await(t, fmt.Sprint(starts+1), func() string { return fmt.Sprint(h.Status().Starts) })
}

// TestAttach: the next agent takes an APISIX over that runs, with what changed meanwhile.
func TestAttach(t *testing.T) {
	dir := short(t)
	first := newHarness(t, dir, "one")
	await(t, "start one", first.said)
	first.end()

	second := newHarness(t, dir, "two")
	await(t, "reload two", second.said)
	st := second.Status()
	assert.Equal(t, []any{st.Running, st.Starts, st.Reloads}, []any{true, 1, 1})
	// It is nobody's child there, and its end is noticed all the same.
	first.Proxy.mu.Lock()
	running := first.running
	first.Proxy.mu.Unlock()
	assert.NoError(t, running.Kill())
	<-running.Done()
	await(t, "reload two, start two", second.said)
}

func TestDrain(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config string
		drain  Drain
		// most and least are how long it takes.
		least, most time.Duration
		said        string
	}{
		{"at once", "one", Drain{}, 0, 3 * time.Second, "quit one"},
		// Clients are told, with another configuration.
		{"after a while", "one", Drain{Duration: time.Second}, time.Second, 4 * time.Second, "reload draining, quit draining"},
		{
			"without connections", "one",
			Drain{Duration: time.Hour, OnZeroConnections: true, Minimum: 10 * time.Millisecond, Connections: func() (int, error) { return 0, nil }},
			0, 3 * time.Second, "reload draining, quit draining",
		},
		{
			"connections that cannot be counted", "one",
			Drain{OnZeroConnections: true, Connections: func() (int, error) { return 0, errors.New("no /proc") }},
			0, 3 * time.Second, "reload draining, quit draining",
		},
		{"an APISIX that does not end", "stubborn", Drain{}, quitTimeout, quitTimeout + 5*time.Second, "quit stubborn"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t, short(t), tt.config)
			await(t, "start "+tt.config, h.said)
			h.end()
			draining := "draining"
			h.config.Store(&draining)
			start := time.Now()
			h.Drain(context.Background(), tt.drain)
			took := time.Since(start)
			if took < tt.least || took > tt.most {
				t.Errorf("it took %s", took)
			}
			b, err := os.ReadFile(instance.LogFile(h.opts.Dir))
			assert.NoError(t, err)
			assert.Equal(t, strings.Join(strings.Fields(strings.TrimPrefix(string(b), "start "+tt.config)), " "), strings.ReplaceAll(tt.said, ",", ""))
			<-h.running.Done()
		})
	}
}

func TestDrainWaitsForConnections(t *testing.T) {
	h := newHarness(t, short(t), "one")
	await(t, "start one", h.said)
	h.end()
	left := 3
	h.Drain(context.Background(), Drain{OnZeroConnections: true, Poll: time.Millisecond, Connections: func() (int, error) {
		left--
		return left, nil
	}})
	assert.Equal(t, left, 0)
	assert.Equal(t, ended(h.running.Done()), true)
}

func TestDrainIsCutShort(t *testing.T) {
	h := newHarness(t, short(t), "one")
	await(t, "start one", h.said)
	h.end()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	start := time.Now()
	h.Drain(ctx, Drain{Duration: time.Hour})
	if took := time.Since(start); took > quitTimeout {
		t.Errorf("it took %s", took)
	}
}

// TestDrainOfNothing has nobody to end.
func TestDrainOfNothing(t *testing.T) {
	New(Options{}).Drain(context.Background(), Drain{Duration: time.Hour})
}
