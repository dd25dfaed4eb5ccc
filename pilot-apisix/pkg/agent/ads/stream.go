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
	held := c.opts.Handler.Versions()
	if err := s.Send(&discovery.DeltaDiscoveryRequest{
		Node:                    c.opts.Node,
		TypeUrl:                 c.opts.TypeURL,
		InitialResourceVersions: held,
	}); err != nil {
		return false, receive(s)
	}
	streams.Increment()
	c.update(func(st *Status) {
		st.State = StateSubscribed
		st.Streams++
	})
	log.Infof("asked istiod at %s for %s, holding %d resources", c.opts.Address, c.opts.TypeURL, len(held))
	silence := time.AfterFunc(c.opts.AnswerWait, func() { c.silent(len(held)) })
	defer silence.Stop()
	for {
		response, err := s.Recv()
		if err != nil {
			return answered, err
		}
		answered = true
		silence.Stop()
		if err := c.answer(s, response); err != nil {
			return answered, receive(s)
		}
	}
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

// answer applies one response and acknowledges it.
func (c *Client) answer(s deltaStream, response *discovery.DeltaDiscoveryResponse) error {
	if response.GetTypeUrl() != c.opts.TypeURL {
		// Nobody asked for it. istiod would take an answer for a subscription.
		log.Warnf("istiod sent the type %q, which was not asked for: ignored", response.GetTypeUrl())
		return nil
	}
	start := c.opts.Now()
	bytes := 0
	for _, r := range response.GetResources() {
		bytes += len(r.GetResource().GetValue())
	}
	rejections := c.opts.Handler.Handle(response.GetResources(), response.GetRemovedResources())
	took := c.opts.Now().Sub(start)

	request := &discovery.DeltaDiscoveryRequest{TypeUrl: c.opts.TypeURL, ResponseNonce: response.GetNonce()}
	if len(rejections) > 0 {
		request.ErrorDetail = &status.Status{Code: int32(codes.InvalidArgument), Message: nackMessage(rejections)}
	}
	err := s.Send(request)
	c.record(response, rejections, start, took, bytes)
	return err
}

// record keeps what happened, for people.
func (c *Client) record(response *discovery.DeltaDiscoveryResponse, rejections []Rejection, start time.Time, took time.Duration, bytes int) {
	push := &Push{
		Time:      start,
		Version:   response.GetSystemVersionInfo(),
		Nonce:     response.GetNonce(),
		Resources: len(response.GetResources()),
		Removed:   len(response.GetRemovedResources()),
		Rejected:  len(rejections),
		Duration:  took,
	}
	responses.Increment()
	responseBytes.RecordInt(int64(bytes))
	applySeconds.Record(took.Seconds())
	connected.Record(1)
	if len(rejections) > 0 {
		nacks.Increment()
		rejected.RecordInt(int64(len(rejections)))
		log.Errorf("refused %d of %d resources, keeping what was good: %s", len(rejections), push.Resources, nackMessage(rejections))
	} else {
		acks.Increment()
		log.Infof("applied %d resources (%d bytes) and %d removals in %v, version %s",
			push.Resources, bytes, push.Removed, took.Round(time.Microsecond), push.Version)
	}
	c.update(func(s *Status) {
		s.State, s.Note = StateConnected, ""
		s.LastPush = push
		s.ControlPlane = response.GetControlPlane().GetIdentifier()
		if len(rejections) == 0 {
			s.Acks++
			return
		}
		s.Nacks++
		s.LastNack, s.LastNackTime = rejections, start
	})
}
