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
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"istio.io/istio/pkg/backoff"
	istiolog "istio.io/istio/pkg/log"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/instance"
)

var log = istiolog.RegisterScope("agentproxy", "APISIX's life in the sidecar")

const (
	// longestPause is the longest time between two starts of an APISIX that does not stay.
	longestPause = 30 * time.Second
	// steady is how long APISIX must have run for the next failure to be a first one.
	steady = time.Minute
	// quitTimeout is how long it may take to end after it was drained.
	quitTimeout = 5 * time.Second
	// settle gathers changes that come together, as a first push's do, before APISIX is reloaded.
	settle = 200 * time.Millisecond
)

// Options are what a proxy is made from.
type Options struct {
	Installation instance.Installation
	// Dir is the instance's directory.
	Dir string
	// Config gives the config.yaml of the moment.
	Config func() ([]byte, error)
	// Line is called with each line of the error log.
	Line func(string)
}

// Proxy is safe for use by several goroutines.
type Proxy struct {
	opts    Options
	changed chan struct{}

	mu sync.Mutex
	// running is nil while there is none, and failure says why.
	running *instance.Instance
	failure error
	started time.Time
	// starts and reloads are counted for the admin page.
	starts, reloads int
}

// New makes a proxy that does not run yet.
func New(opts Options) *Proxy {
	return &Proxy{opts: opts, changed: make(chan struct{}, 1), failure: errors.New("APISIX has not been started yet")}
}

// Changed says that the configuration may be another one.
func (p *Proxy) Changed() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// Run keeps APISIX running until ctx ends. It does not end APISIX: Drain does.
func (p *Proxy) Run(ctx context.Context) {
	pause := backoff.NewExponentialBackOff(backoff.Option{InitialInterval: 100 * time.Millisecond, MaxInterval: longestPause})
	for ctx.Err() == nil {
		begun := time.Now()
		running, from, err := p.start(ctx)
		if err == nil {
			err = p.attend(ctx, running, from)
		}
		if ctx.Err() != nil {
			return
		}
		p.set(nil, err)
		if time.Since(begun) > steady {
			pause.Reset()
		}
		wait := pause.NextBackOff()
		log.Errorf("APISIX is started again in %s: %v", wait.Round(time.Millisecond), err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// start starts an instance, or takes the one over that runs. Its log is of interest from a place on.
func (p *Proxy) start(ctx context.Context) (running *instance.Instance, from int64, err error) {
	config, err := p.opts.Config()
	if err != nil {
		return nil, 0, err
	}
	from = size(instance.LogFile(p.opts.Dir))
	if running, ok := p.opts.Installation.Attach(ctx, p.opts.Dir); ok {
		log.Infof("APISIX runs already in %s, and goes on", p.opts.Dir)
		p.set(running, nil)
		p.reload(ctx, running, config)
		return running, from, nil
	}
	// The instance must outlive ctx, to be drained.
	running, err = p.opts.Installation.Start(context.WithoutCancel(ctx), p.opts.Dir, config, os.Stderr)
	if err != nil {
		return nil, 0, err
	}
	log.Infof("APISIX has been started in %s", p.opts.Dir)
	p.set(running, nil)
	return running, from, nil
}

func (p *Proxy) set(running *instance.Instance, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running, p.failure = running, err
	if running != nil {
		p.started = time.Now()
		p.starts++
	}
}

// attend waits until the instance ends, and reloads it when its configuration changes.
func (p *Proxy) attend(ctx context.Context, running *instance.Instance, from int64) error {
	if p.opts.Line != nil {
		t := follow(running.LogFile(), from, p.opts.Line)
		defer t.stop()
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-running.Done():
			return fmt.Errorf("APISIX has ended: %w", running.Err())
		case <-p.changed:
		}
		select {
		case <-time.After(settle):
		case <-ctx.Done():
			return nil
		}
		p.update(ctx, running)
	}
}

// update gives a running instance the configuration of the moment.
func (p *Proxy) update(ctx context.Context, running *instance.Instance) {
	config, err := p.opts.Config()
	if err != nil {
		log.Errorf("APISIX goes on with the configuration that it has: %v", err)
		return
	}
	p.reload(ctx, running, config)
}

// reload gives a running instance a configuration, if it is another one.
func (p *Proxy) reload(ctx context.Context, running *instance.Instance, config []byte) {
	if old, err := running.Config(); err == nil && bytes.Equal(old, config) {
		return
	}
	if err := running.Reload(ctx, config); err != nil {
		log.Errorf("APISIX goes on with the configuration that it has: %v", err)
		return
	}
	p.mu.Lock()
	p.reloads++
	p.mu.Unlock()
	log.Infof("APISIX has been reloaded, because config.yaml changed")
}

// Status is what the admin page shows.
type Status struct {
	Running bool      `json:"running"`
	Started time.Time `json:"started,omitzero"`
	Starts  int       `json:"starts"`
	Reloads int       `json:"reloads"`
	// Failure is why it does not run.
	Failure string `json:"failure,omitempty"`
	Dir     string `json:"dir"`
}

// Status is the state of the moment.
func (p *Proxy) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	st := Status{Running: p.running != nil, Started: p.started, Starts: p.starts, Reloads: p.reloads, Dir: p.opts.Dir}
	if p.failure != nil {
		st.Failure = p.failure.Error()
	}
	return st
}

// Ready is nil when APISIX runs, or says why not.
func (p *Proxy) Ready() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil {
		return p.failure
	}
	return nil
}
