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
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// concurrency is how many requests are under way at a time.
const concurrency = 8

// client asks productpage for reviews, as its page does for a reader.
type client struct {
	http *http.Client
	url  string
}

func newClient(productpage workload) *client {
	return &client{
		http: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: concurrency}},
		url:  "http://" + productpage.appAddr() + "/api/v1/products/0/reviews",
	}
}

// tally is what became of several requests.
type tally struct {
	sent, failed int
	// served and rated count answers by the workload that gave the reviews, and by the one that gave the stars.
	served, rated map[string]int
	// err is the first failure.
	err error
}

func newTally() *tally {
	return &tally{served: map[string]int{}, rated: map[string]int{}}
}

// reviews is one answer.
type reviews struct {
	ServedBy        string `json:"servedBy"`
	RatingsServedBy string `json:"ratingsServedBy"`
}

// get sends one request, for a user or, if that is empty, for nobody.
func (c *client) get(ctx context.Context, user string) (reviews, error) {
	url := c.url
	if user != "" {
		url += "?u=" + user
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return reviews{}, err
	}
	var r reviews
	if err := doJSON(c.http, req, &r); err != nil {
		return reviews{}, err
	}
	if r.ServedBy == "" {
		return reviews{}, fmt.Errorf("%s: the answer names no workload", url)
	}
	return r, nil
}

// send sends n requests and counts the answers.
func (c *client) send(ctx context.Context, n int, user string) *tally {
	work := make(chan struct{}, n)
	for range n {
		work <- struct{}{}
	}
	close(work)
	return c.count(ctx, user, work)
}

// during sends requests while f runs, and counts the answers.
func (c *client) during(ctx context.Context, f func() error) (*tally, error) {
	work := make(chan struct{})
	done := make(chan error, 1)
	result := make(chan *tally)
	go func() { result <- c.count(ctx, "", work) }()
	go func() { done <- f() }()
	for {
		select {
		case err := <-done:
			close(work)
			return <-result, err
		case work <- struct{}{}:
		}
	}
}

// count sends a request for each piece of work.
func (c *client) count(ctx context.Context, user string, work <-chan struct{}) *tally {
	t := newTally()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range concurrency {
		wg.Go(func() {
			for range work {
				r, err := c.get(ctx, user)
				mu.Lock()
				t.add(r, err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return t
}

func (t *tally) add(r reviews, err error) {
	t.sent++
	if err != nil {
		t.failed++
		if t.err == nil {
			t.err = err
		}
		return
	}
	t.served[r.ServedBy]++
	if r.RatingsServedBy != "" {
		t.rated[r.RatingsServedBy]++
	}
}

// check fails when a request did.
func (t *tally) check() error {
	if t.failed > 0 {
		return fmt.Errorf("%d of %d requests failed, the first with: %w", t.failed, t.sent, t.err)
	}
	return nil
}

// all fails unless every request was served by one of the workloads.
func (t *tally) all(workloads ...string) error {
	if err := t.check(); err != nil {
		return err
	}
	n := 0
	for _, w := range workloads {
		n += t.served[w]
	}
	if n != t.sent {
		return fmt.Errorf("%d of %d requests were served by %v, want all: %v", n, t.sent, workloads, t.served)
	}
	return nil
}
