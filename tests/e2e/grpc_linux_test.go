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

package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// grpcServer answers calls of every kind with the pod's name in a header.
type grpcServer struct {
	pb.UnimplementedTestServiceServer
	name string
}

func (s *grpcServer) UnaryCall(ctx context.Context, in *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	_ = grpc.SetHeader(ctx, metadata.Pairs("x-pod", s.name))
	_ = grpc.SetTrailer(ctx, metadata.Pairs("x-last", "trailer"))
	if st := in.GetResponseStatus(); st != nil {
		return nil, status.Error(codes.Code(st.GetCode()), st.GetMessage())
	}
	return &pb.SimpleResponse{Payload: in.GetPayload()}, nil
}

func (s *grpcServer) StreamingOutputCall(in *pb.StreamingOutputCallRequest, out grpc.ServerStreamingServer[pb.StreamingOutputCallResponse]) error {
	for _, p := range in.GetResponseParameters() {
		if err := out.Send(&pb.StreamingOutputCallResponse{Payload: &pb.Payload{Body: make([]byte, p.GetSize())}}); err != nil {
			return err
		}
	}
	return nil
}

func (s *grpcServer) StreamingInputCall(in grpc.ClientStreamingServer[pb.StreamingInputCallRequest, pb.StreamingInputCallResponse]) error {
	n := 0
	for {
		m, err := in.Recv()
		if errors.Is(err, io.EOF) {
			return in.SendAndClose(&pb.StreamingInputCallResponse{AggregatedPayloadSize: int32(n)})
		}
		if err != nil {
			return err
		}
		n += len(m.GetPayload().GetBody())
	}
}

// FullDuplexCall says back each message before it reads the next one.
func (s *grpcServer) FullDuplexCall(both grpc.BidiStreamingServer[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse]) error {
	for {
		m, err := both.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := both.Send(&pb.StreamingOutputCallResponse{Payload: m.GetPayload()}); err != nil {
			return err
		}
	}
}

func (p *pod) serveGRPC(port int) {
	p.t.Helper()
	s := grpc.NewServer()
	pb.RegisterTestServiceServer(s, &grpcServer{name: p.name})
	l := p.listen(port)
	go func() { _ = s.Serve(l) }()
	p.t.Cleanup(s.Stop)
}

// callGRPC is a client of the pod's application to one address.
func (p *pod) callGRPC(address, authority string) pb.TestServiceClient {
	p.t.Helper()
	c, err := grpc.NewClient("passthrough:///"+authority, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority(authority),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return p.dial(ctx, address) }))
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = c.Close() })
	return pb.NewTestServiceClient(c)
}

// TestGRPC makes calls of the four kinds through both sidecars, over mutual TLS.
func TestGRPC(t *testing.T) {
	m := newMesh(t, service("server", "10.96.0.10", "10.88.0.10", "{name: grpc-api, port: 81, targetPort: 8081}, {name: auto, port: 9000, targetPort: 9000}")+
		service("client", "10.96.0.11", "10.88.0.11", both))
	m.apply("peers", strict)
	server, client, outside := m.newPod("server", "10.88.0.10").inject(), m.newPod("client", "10.88.0.11").inject(), m.newPod("outside", "10.88.0.12")
	server.serveGRPC(8081)
	server.serveGRPC(9000)
	outside.serveGRPC(50051)
	server.ready()
	client.ready()
	for _, tt := range []struct{ name, address, authority string }{
		{"a port for gRPC", "10.96.0.10:81", "server:81"},
		{"a port that says nothing", "10.96.0.10:9000", "server:9000"},
		{"outside of the mesh", "10.88.0.12:50051", "outside:50051"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := client.callGRPC(tt.address, tt.authority)
			m.eventually("a call is answered", func() error {
				_, err := unary(c, nil)
				return err
			})
			callsOfEveryKind(t, c)
		})
	}
	// Connections are kept for each protocol by itself.
	m.expect("HTTP/1.1 to a port with gRPC", "", func() string { return client.get("10.96.0.10:9000", "server:9000") })
	c := client.callGRPC("10.96.0.10:9000", "server:9000")
	if _, err := unary(c, nil); err != nil {
		t.Error(err)
	}
}

func unary(c pb.TestServiceClient, want *pb.EchoStatus) (header metadata.MD, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var trailer metadata.MD
	_, err = c.UnaryCall(ctx, &pb.SimpleRequest{Payload: &pb.Payload{Body: []byte("hello")}, ResponseStatus: want}, grpc.Header(&header), grpc.Trailer(&trailer))
	if err == nil && strings.Join(trailer.Get("x-last"), "") != "trailer" {
		err = fmt.Errorf("the trailers are %v", trailer)
	}
	return header, err
}

func callsOfEveryKind(t *testing.T, c pb.TestServiceClient) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := unary(c, &pb.EchoStatus{Code: int32(codes.FailedPrecondition), Message: "not yet"}); status.Code(err) != codes.FailedPrecondition ||
		status.Convert(err).Message() != "not yet" {
		t.Errorf("an error of the server's: %v", err)
	}
	down, err := c.StreamingOutputCall(ctx, &pb.StreamingOutputCallRequest{ResponseParameters: []*pb.ResponseParameters{{Size: 1}, {Size: 100_000}, {Size: 7}}})
	must(err)
	for _, size := range []int{1, 100_000, 7} {
		r, err := down.Recv()
		must(err)
		if n := len(r.GetPayload().GetBody()); n != size {
			t.Errorf("%d bytes, want %d", n, size)
		}
	}
	if _, err := down.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last message: %v", err)
	}
	up, err := c.StreamingInputCall(ctx)
	must(err)
	for range 3 {
		must(up.Send(&pb.StreamingInputCallRequest{Payload: &pb.Payload{Body: make([]byte, 50_000)}}))
	}
	sum, err := up.CloseAndRecv()
	must(err)
	if sum.GetAggregatedPayloadSize() != 150_000 {
		t.Errorf("%d bytes arrived", sum.GetAggregatedPayloadSize())
	}
	// Each side waits for the other: nothing may be kept back on the way.
	duplex, err := c.FullDuplexCall(ctx)
	must(err)
	for i := range 10 {
		body := fmt.Sprintf("message %d", i)
		must(duplex.Send(&pb.StreamingOutputCallRequest{Payload: &pb.Payload{Body: []byte(body)}}))
		r, err := duplex.Recv()
		must(err)
		if got := string(r.GetPayload().GetBody()); got != body {
			t.Errorf("got %q, want %q", got, body)
		}
	}
	must(duplex.CloseSend())
	if _, err := duplex.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last message: %v", err)
	}
}
