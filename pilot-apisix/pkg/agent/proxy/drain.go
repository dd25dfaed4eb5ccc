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
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"time"
)

// Drain is how an instance is ended, as Istio's agent ends Envoy.
type Drain struct {
	// Duration is how long it goes on serving: until everybody has heard that it ends (terminationDrainDuration).
	Duration time.Duration
	// OnZeroConnections ends it as soon as there are none left, but not before Minimum (EXIT_ON_ZERO_ACTIVE_CONNECTIONS).
	OnZeroConnections bool
	Minimum           time.Duration
	// StatusURL is nginx's status page, with the number of connections.
	StatusURL string
}

// connectionPoll is how often connections are counted.
const connectionPoll = time.Second

// Drain lets the instance serve on for a while, then end what it has begun, and ends it. Run must have returned. The context cuts it short.
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
	log.Infof("draining: APISIX serves on for %s", wait)
	sleep(ctx, running.Done(), wait)
	for d.OnZeroConnections && ctx.Err() == nil {
		n, err := connections(ctx, d.StatusURL)
		if err != nil || n <= 0 {
			break
		}
		log.Infof("draining: %d connections", n)
		sleep(ctx, running.Done(), connectionPoll)
	}
	_ = running.Quit()
	sleep(ctx, running.Done(), quitTimeout)
	select {
	case <-running.Done():
	default:
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

var activeConnections = regexp.MustCompile(`Active connections: (\d+)`)

// connections counts those of clients, without the one that asks. Captured ones count once.
func connections(ctx context.Context, url string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<12))
	if err != nil {
		return 0, err
	}
	m := activeConnections.FindSubmatch(body)
	if m == nil {
		return 0, fmt.Errorf("%s: no number of connections", url)
	}
	n, err := strconv.Atoi(string(m[1]))
	return n - 1, err
}
