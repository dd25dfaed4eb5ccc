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

package ads

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/grpc"

	istiolog "istio.io/istio/pkg/log"
	"istio.io/istio/pkg/sleep"
)

var log = istiolog.RegisterScope("agentads", "stream from istiod to the APISIX agent")

const (
	// firstPause and longestPause bound the time between two streams, before jitter of one half up or down.
	firstPause   = 250 * time.Millisecond
	longestPause = 30 * time.Second
	// healthyAfter is how long a stream must live to count as well.
	healthyAfter = 10 * time.Second
	// answerWait is how long istiod may take for its first answer before the silence is worth a word.
	answerWait = 15 * time.Second
)

// Options configures a Client.
type Options struct {
	// Address names istiod in logs.
	Address string
	// Dial makes a connection for one stream. It need not wait until it stands.
	Dial func() (*grpc.ClientConn, error)
	// Node identifies this proxy.
	Node *core.Node
	// Subscriptions are what is subscribed to, each type once. The first one is what the client is for: its answers decide
	// the state and how long istiod may be silent.
	Subscriptions []Subscription
	// Headers are added to each stream.
	Headers map[string]string
	// Compression asks istiod to compress: "" or "gzip". An istiod that cannot is asked without.
	Compression string

	// Failed is told every error of a stream, if set, and whether istiod had accepted the stream before.
	Failed func(err error, accepted bool)
	// Explain adds what this side knows about an error, if set.
	Explain func(error) string

	// Now is the clock, Pause waits between streams (false when ctx ended), HealthyAfter is how long a stream must live
	// for the pauses to begin small again, AnswerWait how long istiod may be silent. The zero values are for production.
	Now          func() time.Time
	Pause        func(ctx context.Context, d time.Duration) bool
	HealthyAfter time.Duration
	AnswerWait   time.Duration
}

// Subscription is one type, of which every resource is wanted.
type Subscription struct {
	TypeURL string
	// Handler takes the resources.
	Handler Handler
}

// Client keeps a stream to istiod.
type Client struct {
	opts    Options
	backoff backoff.BackOff

	mu     sync.Mutex
	status Status

	// sending admits one sender to the stream of the moment, which is nil between streams; nonces are those of the last responses.
	sending sync.Mutex
	current deltaStream
	nonces  []string
}

// New makes a Client; Run starts it.
func New(opts Options) *Client {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Pause == nil {
		opts.Pause = sleep.UntilContext
	}
	if opts.HealthyAfter <= 0 {
		opts.HealthyAfter = healthyAfter
	}
	if opts.AnswerWait <= 0 {
		opts.AnswerWait = answerWait
	}
	c := &Client{
		opts: opts,
		backoff: backoff.NewExponentialBackOff(
			backoff.WithInitialInterval(firstPause),
			backoff.WithMaxInterval(longestPause),
			backoff.WithMultiplier(2),
			backoff.WithRandomizationFactor(0.5),
			backoff.WithMaxElapsedTime(0),
		),
		status: Status{State: StateConnecting, Since: opts.Now(), Address: opts.Address, Node: opts.Node.GetId()},
	}
	for i, s := range opts.Subscriptions {
		if i == 0 {
			c.status.TypeURL = s.TypeURL
			continue
		}
		c.status.Others = append(c.status.Others, TypeStatus{TypeURL: s.TypeURL})
	}
	return c
}

// Run keeps a stream to istiod until ctx ends.
func (c *Client) Run(ctx context.Context) {
	for attempt := 1; ctx.Err() == nil; attempt++ {
		c.update(func(s *Status) { s.State, s.Note = StateConnecting, "" })
		opened := c.opts.Now()
		answered, err := c.stream(ctx)
		connected.Record(0)
		if ctx.Err() != nil {
			break
		}
		healthy := c.opts.Now().Sub(opened) >= c.opts.HealthyAfter
		if healthy {
			c.backoff.Reset()
			attempt = 1
		}
		if c.opts.Failed != nil {
			c.opts.Failed(err, answered || healthy)
		}
		f := c.failure(err, attempt)
		if noDecompressor(err) {
			// To be compressed is a wish; to have a configuration is not.
			c.opts.Compression = ""
		}
		if f.Cause == CauseClosed {
			log.Infof("stream to istiod at %s ended: %s; next one in %v", c.opts.Address, f.Message, f.RetryIn.Round(time.Millisecond))
		} else {
			log.Warnf("no stream to istiod at %s: %s. Attempt %d, next one in %v", c.opts.Address, f, attempt, f.RetryIn.Round(time.Millisecond))
		}
		if !c.opts.Pause(ctx, f.RetryIn) {
			break
		}
	}
	c.update(func(s *Status) { s.State, s.Note = StateWaiting, "the agent is ending" })
}

// failure records why a stream ended.
func (c *Client) failure(err error, attempt int) Failure {
	f := explain(err)
	if c.opts.Explain != nil {
		if more := c.opts.Explain(err); more != "" && f.Cause != CauseNoSuchType {
			f.Remedy = joinSentences(f.Remedy, more)
		}
	}
	f.Time = c.opts.Now()
	f.Attempt = attempt
	f.RetryIn = c.backoff.NextBackOff()
	failures.With(causeLabel.Value(string(f.Cause))).Increment()
	c.update(func(s *Status) { s.State, s.LastFailure = StateWaiting, &f })
	return f
}

func joinSentences(a, b string) string {
	b = strings.ToUpper(b[:1]) + b[1:]
	if a == "" {
		return b
	}
	return a + ". " + b
}
