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
	"time"
)

// Drain is how an instance is ended, as Istio's agent ends Envoy.
type Drain struct {
	// Duration is how long it goes on serving: until everybody has heard that it ends (terminationDrainDuration). 0 when they have.
	Duration time.Duration
	// OnZeroConnections ends it as soon as there are none left, but not before Minimum (EXIT_ON_ZERO_ACTIVE_CONNECTIONS).
	OnZeroConnections bool
	Minimum           time.Duration
	// Connections counts those of clients.
	Connections func() (int, error)
	// Poll is how often they are counted; every second when 0.
	Poll time.Duration
}

// connectionPoll is how often connections are counted.
const connectionPoll = time.Second

// Drain lets the instance serve on for a while, then end what it has begun, and ends it. It serves on with the configuration of the moment, which
// should tell clients to go. Run must have returned. The context cuts it short.
func (p *Proxy) Drain(ctx context.Context, d Drain) {
	p.mu.Lock()
	running := p.running
	p.mu.Unlock()
	if running == nil {
		return
	}
	wait := d.Duration
	if d.OnZeroConnections {
		wait = d.Minimum
	}
	if d.Duration > 0 || d.OnZeroConnections {
		p.update(ctx, running)
		log.Infof("draining: APISIX serves on for %s", wait)
		sleep(ctx, running.Done(), wait)
	}
	for d.OnZeroConnections && ctx.Err() == nil && !ended(running.Done()) {
		n, err := d.Connections()
		if err != nil {
			log.Warnf("draining: APISIX ends without regard to connections, which cannot be counted: %v", err)
			break
		}
		if n == 0 {
			break
		}
		log.Infof("draining: %d connections", n)
		poll := d.Poll
		if poll == 0 {
			poll = connectionPoll
		}
		sleep(ctx, running.Done(), poll)
	}
	_ = running.Quit()
	sleep(ctx, running.Done(), quitTimeout)
	if !ended(running.Done()) {
		log.Warnf("APISIX has not ended by itself within %s, and is killed", quitTimeout)
		_ = running.Kill()
	}
	log.Infof("APISIX has ended")
}

func sleep(ctx context.Context, done <-chan struct{}, d time.Duration) {
	select {
	case <-time.After(d):
	case <-done:
	case <-ctx.Done():
	}
}

func ended(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}
