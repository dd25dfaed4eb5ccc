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
	"slices"
	"strings"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	// Registers the decompressor and names it in grpc-accept-encoding, so that istiod may compress.
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
)

// deltaStream is the client's side of a stream.
type deltaStream = grpc.BidiStreamingClient[discovery.DeltaDiscoveryRequest, discovery.DeltaDiscoveryResponse]

// stream opens one stream and serves it until it ends. It tells whether istiod answered, and the error is never nil.
func (c *Client) stream(ctx context.Context) (answered bool, err error) {
	conn, err := c.opts.Dial()
	if err != nil {
		return false, dialError{err}
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for k, v := range c.opts.Headers {
		ctx = metadata.AppendToOutgoingContext(ctx, k, v)
	}
	var options []grpc.CallOption
	if c.opts.Compression != "" {
		// A server of grpc-go answers with the compression of the request.
		options = append(options, grpc.UseCompressor(c.opts.Compression))
	}
	s, err := discovery.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(ctx, options...)
	if err != nil {
		return false, err
	}
	held, err := c.subscribe(s)
	if err != nil {
		return false, receive(s)
	}
	c.use(s)
	defer c.use(nil)
	silence := time.AfterFunc(c.opts.AnswerWait, func() { c.silent(held) })
	defer silence.Stop()
	for {
		response, err := s.Recv()
		if err != nil {
			return answered, err
		}
		answered = true
		i := slices.IndexFunc(c.opts.Subscriptions, func(sub Subscription) bool { return sub.TypeURL == response.GetTypeUrl() })
		if i < 0 {
			// Nobody asked for it. istiod would take an answer for a subscription.
			log.Warnf("istiod sent the type %q, which was not asked for: ignored", response.GetTypeUrl())
			continue
		}
		if i == 0 {
			silence.Stop()
		}
		if err := c.answer(s, i, response); err != nil {
			return answered, receive(s)
		}
	}
}

// subscribe sends the first request of each type; the first of all carries the node. It tells how much of the first type is held.
func (c *Client) subscribe(s deltaStream) (held int, err error) {
	for i, sub := range c.opts.Subscriptions {
		request := &discovery.DeltaDiscoveryRequest{TypeUrl: sub.TypeURL, InitialResourceVersions: sub.Handler.Versions()}
		if i == 0 {
			request.Node = c.opts.Node
			held = len(request.InitialResourceVersions)
		}
		if err := s.Send(request); err != nil {
			return held, err
		}
		log.Infof("asked istiod at %s for %s, holding %d resources", c.opts.Address, sub.TypeURL, len(request.InitialResourceVersions))
	}
	streams.Increment()
	c.update(func(st *Status) {
		st.State = StateSubscribed
		st.Streams++
	})
	return held, nil
}

// receive is the reason why s ended, after Send failed: Send itself only knows that it did. A response that still
// arrives is dropped, as it could not be acknowledged; the next stream brings it again.
func receive(s deltaStream) error {
	for {
		if _, err := s.Recv(); err != nil {
			return err
		}
	}
}

// silent is called when istiod accepted the stream and says nothing.
func (c *Client) silent(held int) {
	note := "istiod has not answered yet: it has nothing newer than what is held, or it does not serve APISIX resources"
	if held == 0 {
		note = "istiod has not answered yet. If it stays so: " + noSuchType
		log.Warnf("%s: %s", c.opts.Address, note)
	}
	c.update(func(s *Status) {
		if s.State == StateSubscribed {
			s.Note = note
		}
	})
}

// answer applies one response of the subscription i and acknowledges it.
func (c *Client) answer(s deltaStream, i int, response *discovery.DeltaDiscoveryResponse) error {
	sub := c.opts.Subscriptions[i]
	start := c.opts.Now()
	bytes := 0
	for _, r := range response.GetResources() {
		bytes += len(r.GetResource().GetValue())
	}
	rejections := sub.Handler.Handle(response.GetResources(), response.GetRemovedResources())
	took := c.opts.Now().Sub(start)

	c.sending.Lock()
	c.nonces[i] = response.GetNonce()
	request := c.verdict(i, rejections)
	err := s.Send(request)
	c.sending.Unlock()
	c.record(i, response, rejections, request.GetErrorDetail().GetMessage(), start, took, bytes)
	return err
}

// verdict is an ACK, or the NACK of rejections and of what stands; c.sending is held.
func (c *Client) verdict(i int, rejections []Rejection) *discovery.DeltaDiscoveryRequest {
	sub := c.opts.Subscriptions[i]
	request := &discovery.DeltaDiscoveryRequest{TypeUrl: sub.TypeURL, ResponseNonce: c.nonces[i]}
	if stander, ok := sub.Handler.(Stander); ok {
		for _, r := range stander.Standing() {
			if !slices.ContainsFunc(rejections, func(o Rejection) bool { return o.Name == r.Name }) {
				rejections = append(slices.Clip(rejections), r)
			}
		}
	}
	if len(rejections) > 0 {
		request.ErrorDetail = &status.Status{Code: int32(codes.InvalidArgument), Message: nackMessage(rejections)}
	}
	return request
}

// use makes s the stream of the moment.
func (c *Client) use(s deltaStream) {
	c.sending.Lock()
	defer c.sending.Unlock()
	c.current, c.nonces = s, make([]string, len(c.opts.Subscriptions))
}

// Report tells istiod of what is wrong by now with resources of the first subscription that were acknowledged: a NACK for the last response, or an ACK
// when all is well again. Without a stream, or before its first response, the next answer has it.
func (c *Client) Report(rejections []Rejection) {
	if len(rejections) > 0 {
		log.Errorf("refused after it was acknowledged: %s", nackMessage(rejections))
		of := typeLabel.Value(shortType(c.opts.Subscriptions[0].TypeURL))
		nacks.With(of).Increment()
		rejected.With(of).RecordInt(int64(len(rejections)))
		now := c.opts.Now()
		c.update(func(s *Status) {
			s.Nacks++
			s.LastNack, s.LastNackTime = rejections, now
		})
	}
	c.sending.Lock()
	defer c.sending.Unlock()
	if c.current == nil || c.nonces[0] == "" {
		return
	}
	if err := c.current.Send(c.verdict(0, rejections)); err != nil {
		// Who receives from the stream learns why.
		log.Debugf("istiod is not told: %v", err)
	}
}

// record keeps what happened, for people. The message is that of the NACK, which may be of earlier responses alone.
func (c *Client) record(i int, response *discovery.DeltaDiscoveryResponse, rejections []Rejection, message string, start time.Time, took time.Duration,
	bytes int,
) {
	push := &Push{
		Time:      start,
		Version:   response.GetSystemVersionInfo(),
		Nonce:     response.GetNonce(),
		Resources: len(response.GetResources()),
		Removed:   len(response.GetRemovedResources()),
		Rejected:  len(rejections),
		Duration:  took,
	}
	name := shortType(response.GetTypeUrl())
	of := typeLabel.Value(name)
	responses.With(of).Increment()
	responseBytes.With(of).RecordInt(int64(bytes))
	applySeconds.With(of).Record(took.Seconds())
	connected.Record(1)
	if message == "" {
		acks.With(of).Increment()
	} else {
		nacks.With(of).Increment()
	}
	switch {
	case len(rejections) > 0:
		rejected.With(of).RecordInt(int64(len(rejections)))
		log.Errorf("%s: refused %d of %d resources, keeping what was good: %s", name, len(rejections), push.Resources, message)
	default:
		log.Infof("%s: applied %d resources (%d bytes) and %d removals in %v, version %s",
			name, push.Resources, bytes, push.Removed, took.Round(time.Microsecond), push.Version)
		if message != "" {
			log.Warnf("%s: from before, %s", name, message)
		}
	}
	c.update(func(s *Status) {
		s.ControlPlane = response.GetControlPlane().GetIdentifier()
		t := &s.TypeStatus
		if i > 0 {
			t = &s.Others[i-1]
		} else {
			s.State, s.Note = StateConnected, ""
		}
		t.LastPush = push
		if message == "" {
			t.Acks++
			return
		}
		t.Nacks++
		if len(rejections) > 0 {
			t.LastNack, t.LastNackTime = rejections, start
		}
	})
}

// shortType is the last part of a type URL.
func shortType(typeURL string) string {
	return typeURL[strings.LastIndexAny(typeURL, "./")+1:]
}
