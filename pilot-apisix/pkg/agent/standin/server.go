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

package standin

import (
	"errors"
	"net"
	"sync/atomic"
	"testing"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Stream is the server's side of one stream.
type Stream = discovery.AggregatedDiscoveryService_DeltaAggregatedResourcesServer

// Istiod is a server that can be stopped.
type Istiod struct {
	// Address is host:port.
	Address string

	server  *grpc.Server
	streams atomic.Int64
}

// Option changes a server.
type Option struct {
	// Server is an option of gRPC's.
	Server grpc.ServerOption
	// Register adds another service.
	Register func(*grpc.Server)
}

// Start serves every stream with serve, on a free port until the test ends.
func Start(t testing.TB, serve func(Stream) error, options ...Option) *Istiod {
	t.Helper()
	return StartAt(t, "127.0.0.1:0", serve, options...)
}

// StartAt is Start on a given address, such as that of an Istiod that was stopped.
func StartAt(t testing.TB, address string, serve func(Stream) error, options ...Option) *Istiod {
	t.Helper()
	var serverOptions []grpc.ServerOption
	for _, o := range options {
		if o.Server != nil {
			serverOptions = append(serverOptions, o.Server)
		}
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	i := &Istiod{Address: listener.Addr().String(), server: grpc.NewServer(serverOptions...)}
	discovery.RegisterAggregatedDiscoveryServiceServer(i.server, &service{istiod: i, serve: serve})
	for _, o := range options {
		if o.Register != nil {
			o.Register(i.server)
		}
	}
	go func() { _ = i.server.Serve(listener) }()
	t.Cleanup(i.Stop)
	return i
}

// Stop breaks every stream, as a crash does.
func (i *Istiod) Stop() {
	i.server.Stop()
}

// Streams is the number of streams so far.
func (i *Istiod) Streams() int {
	return int(i.streams.Load())
}

type service struct {
	discovery.UnimplementedAggregatedDiscoveryServiceServer
	istiod *Istiod
	serve  func(Stream) error
}

func (s *service) DeltaAggregatedResources(stream Stream) error {
	s.istiod.streams.Add(1)
	if err := s.serve(stream); err != nil {
		if _, ok := status.FromError(err); ok {
			return err
		}
		return status.Error(codes.Unknown, err.Error())
	}
	return nil
}

// ErrUnexpected is what a script returns when the client did something else than it should.
var ErrUnexpected = errors.New("stand-in: unexpected request")

// FreeAddress is an address on loopback that nobody has at the moment, for UDP and TCP, for what cannot tell which port it chose.
func FreeAddress(t testing.TB) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := l.Addr().String()
		p, err := net.ListenPacket("udp", address)
		_ = l.Close()
		if err == nil {
			_ = p.Close()
			return address
		}
	}
	t.Fatal("no port is free for UDP and TCP")
	return ""
}
