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

package ads_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"istio.io/istio/pkg/test/util/assert"
	"istio.io/istio/pkg/test/util/retry"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/ads"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/standin"
	"github.com/apisix-mesh/pilot-apisix/pkg/apis/mesh/v1alpha1"
)

// standinHandler holds what it is given, and refuses the names that a test tells it to.
type standinHandler struct {
	mu      sync.Mutex
	held    map[string]string
	refuse  map[string]string
	removed []string
}

func newStandinHandler() *standinHandler {
	return &standinHandler{held: map[string]string{}, refuse: map[string]string{}}
}

func (h *standinHandler) Versions() map[string]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := map[string]string{}
	for k, v := range h.held {
		out[k] = v
	}
	return out
}

func (h *standinHandler) Handle(resources []*discovery.Resource, removed []string) []ads.Rejection {
	h.mu.Lock()
	defer h.mu.Unlock()
	var rejections []ads.Rejection
	for _, r := range resources {
		if reason := h.refuse[r.GetName()]; reason != "" {
			rejections = append(rejections, ads.Rejection{Name: r.GetName(), Reason: reason})
			continue
		}
		h.held[r.GetName()] = r.GetVersion()
	}
	for _, n := range removed {
		delete(h.held, n)
	}
	h.removed = append(h.removed, removed...)
	return rejections
}

func (h *standinHandler) refuseOnly(refuse map[string]string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refuse = refuse
}

// harness runs a client against an address. Every pause is recorded, and is over at once.
type harness struct {
	*ads.Client
	mu     sync.Mutex
	pauses []time.Duration
	stop   func()
}

func (h *harness) recorded() []time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.pauses)
}

func run(t *testing.T, address string, handler ads.Handler, change func(*ads.Options)) *harness {
	t.Helper()
	h := &harness{}
	opts := ads.Options{
		Address: address,
		Dial: func() (*grpc.ClientConn, error) {
			return grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		},
		Node:          &core.Node{Id: "sidecar~127.0.0.1~a.default~default.svc.cluster.local"},
		Subscriptions: []ads.Subscription{{TypeURL: v1alpha1.TypeURL, Handler: handler}},
		Pause: func(ctx context.Context, d time.Duration) bool {
			h.mu.Lock()
			h.pauses = append(h.pauses, d)
			h.mu.Unlock()
			// Lets the test's other goroutines run.
			select {
			case <-time.After(time.Millisecond):
				return true
			case <-ctx.Done():
				return false
			}
		},
		// Never: a test that wants it says so.
		HealthyAfter: time.Hour,
		AnswerWait:   time.Hour,
	}
	if change != nil {
		change(&opts)
	}
	h.Client = ads.New(opts)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.Run(ctx)
	}()
	h.stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	t.Cleanup(h.stop)
	return h
}

func resource(id string, content string) *discovery.Resource {
	return standin.Resource("routes", id, `{"id":"`+id+`","uri":"`+content+`"}`)
}

func TestFirstRequestAndAck(t *testing.T) {
	mesh := standin.NewMesh(resource("a", "/1"), resource("b", "/1"))
	istiod := standin.Start(t, mesh.Serve)
	handler := newStandinHandler()
	client := run(t, istiod.Address, handler, nil)

	answers := mesh.AwaitAnswers(t, 1)
	first := mesh.Requests()[0]
	assert.Equal(t, first.GetNode().GetId(), "sidecar~127.0.0.1~a.default~default.svc.cluster.local")
	assert.Equal(t, len(first.GetResourceNamesSubscribe()), 0)
	assert.Equal(t, len(first.GetInitialResourceVersions()), 0)
	assert.Equal(t, first.GetResponseNonce(), "")

	assert.Equal(t, answers[0].GetResponseNonce(), "1")
	assert.Equal(t, answers[0].GetErrorDetail() == nil, true)
	assert.Equal(t, len(answers[0].GetResourceNamesSubscribe())+len(answers[0].GetResourceNamesUnsubscribe())+
		len(answers[0].GetInitialResourceVersions()), 0)

	mesh.Set(resource("a", "/2"))
	mesh.Remove("routes/b")
	mesh.Await(t, "second change", func([]*discovery.DeltaDiscoveryRequest) bool {
		v := handler.Versions()
		return len(v) == 1 && v["routes/a"] == resource("a", "/2").GetVersion()
	})
	retry.UntilOrFail(t, func() bool {
		st := client.Status()
		return st.State == ads.StateConnected && st.Acks >= 2 && st.Nacks == 0 && st.LastPush != nil && st.LastPush.Removed == 1
	}, retry.Timeout(20*time.Second))
}

func TestNackNamesEachAndTheRestApplies(t *testing.T) {
	mesh := standin.NewMesh(resource("a", "/1"), resource("b", "/1"), resource("c", "/1"))
	istiod := standin.Start(t, mesh.Serve)
	handler := newStandinHandler()
	handler.refuse = map[string]string{"routes/a": "broken a", "routes/c": "broken c"}
	client := run(t, istiod.Address, handler, nil)

	answers := mesh.AwaitAnswers(t, 1)
	detail := answers[0].GetErrorDetail()
	assert.Equal(t, codes.Code(detail.GetCode()), codes.InvalidArgument)
	assert.Equal(t, detail.GetMessage(), `2 resources refused: "routes/a": broken a; "routes/c": broken c`)
	assert.Equal(t, answers[0].GetResponseNonce(), "1")
	assert.Equal(t, handler.Versions(), map[string]string{"routes/b": resource("b", "/1").GetVersion()})
	retry.UntilOrFail(t, func() bool { return client.Status().Nacks == 1 }, retry.Timeout(20*time.Second))
	assert.Equal(t, client.Status().LastNack, []ads.Rejection{{Name: "routes/a", Reason: "broken a"}, {Name: "routes/c", Reason: "broken c"}})

	// The fix arrives and is acknowledged.
	handler.refuseOnly(nil)
	mesh.Set(resource("a", "/2"), resource("c", "/2"))
	answers = mesh.AwaitAnswers(t, 2)
	assert.Equal(t, answers[1].GetErrorDetail() == nil, true)
	assert.Equal(t, len(handler.Versions()), 3)
	// A refusal does not end the stream.
	assert.Equal(t, istiod.Streams(), 1)
}

func TestReconnectResumesByVersionsAndRetriesWhatWasRefused(t *testing.T) {
	mesh := standin.NewMesh(resource("a", "/1"), resource("b", "/1"), resource("gone", "/1"))
	istiod := standin.Start(t, mesh.Serve)
	handler := newStandinHandler()
	handler.refuse = map[string]string{"routes/b": "broken"}
	run(t, istiod.Address, handler, nil)
	mesh.AwaitAnswers(t, 1)

	istiod.Stop()
	mesh.Remove("routes/gone")
	handler.refuseOnly(nil)
	before := len(mesh.Responses())
	standin.StartAt(t, istiod.Address, mesh.Serve)
	requests := mesh.Await(t, "second stream's ACK", func(requests []*discovery.DeltaDiscoveryRequest) bool {
		return len(requests) >= 4
	})
	assert.Equal(t, requests[2].GetInitialResourceVersions(), map[string]string{
		"routes/a":    resource("a", "/1").GetVersion(),
		"routes/gone": resource("gone", "/1").GetVersion(),
	})
	// Only what was refused travels again, and what went away meanwhile is removed.
	response := mesh.Responses()[before]
	assert.Equal(t, len(response.GetResources()), 1)
	assert.Equal(t, response.GetResources()[0].GetName(), "routes/b")
	assert.Equal(t, response.GetRemovedResources(), []string{"routes/gone"})
	v := handler.Versions()
	assert.Equal(t, len(v), 2)
	assert.Equal(t, v["routes/b"], resource("b", "/1").GetVersion())
}

func TestForeignTypeIsIgnored(t *testing.T) {
	sent := make(chan struct{})
	next := make(chan *discovery.DeltaDiscoveryRequest, 1)
	istiod := standin.Start(t, func(s standin.Stream) error {
		if _, err := s.Recv(); err != nil {
			return err
		}
		foreign := &discovery.DeltaDiscoveryResponse{TypeUrl: "type.googleapis.com/envoy.config.cluster.v3.Cluster", Nonce: "x"}
		if err := s.Send(foreign); err != nil {
			return err
		}
		close(sent)
		if err := s.Send(&discovery.DeltaDiscoveryResponse{TypeUrl: v1alpha1.TypeURL, Nonce: "y"}); err != nil {
			return err
		}
		request, err := s.Recv()
		if err != nil {
			return err
		}
		next <- request
		<-s.Context().Done()
		return nil
	})
	run(t, istiod.Address, newStandinHandler(), nil)
	<-sent
	assert.Equal(t, (<-next).GetResponseNonce(), "y")
}

func TestSilentIstiod(t *testing.T) {
	for _, tt := range []struct {
		name string
		held map[string]string
		note string
	}{
		{"nothing held", nil, "does not serve APISIX resources"},
		{"something held", map[string]string{"routes/a": "1"}, "nothing newer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			istiod := standin.Start(t, func(s standin.Stream) error {
				<-s.Context().Done()
				return nil
			})
			handler := newStandinHandler()
			if tt.held != nil {
				handler.held = tt.held
			}
			client := run(t, istiod.Address, handler, func(o *ads.Options) { o.AnswerWait = time.Millisecond })
			retry.UntilOrFail(t, func() bool { return strings.Contains(client.Status().Note, tt.note) }, retry.Timeout(20*time.Second))
			assert.Equal(t, client.Status().State, ads.StateSubscribed)
			// The stream stays.
			assert.Equal(t, istiod.Streams(), 1)
		})
	}
}

func TestHeadersAndCompression(t *testing.T) {
	got := make(chan metadata.MD, 1)
	mesh := standin.NewMesh(resource("a", strings.Repeat("/x", 1000)))
	istiod := standin.Start(t, func(s standin.Stream) error {
		md, _ := metadata.FromIncomingContext(s.Context())
		got <- md
		return mesh.Serve(s)
	})
	handler := newStandinHandler()
	run(t, istiod.Address, handler, func(o *ads.Options) {
		o.Headers = map[string]string{"ClusterID": "c1"}
		o.Compression = "gzip"
	})
	md := <-got
	assert.Equal(t, md.Get("clusterid"), []string{"c1"})
	assert.Equal(t, slices.Contains(md.Get("grpc-accept-encoding"), "gzip") ||
		strings.Contains(strings.Join(md.Get("grpc-accept-encoding"), ","), "gzip"), true)
	mesh.AwaitAnswers(t, 1)
	assert.Equal(t, len(handler.Versions()), 1)
}

// compressions records how the requests of each stream are compressed.
type compressions struct {
	mu   sync.Mutex
	seen []string
}

func (*compressions) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (*compressions) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (*compressions) HandleConn(context.Context, stats.ConnStats)                       {}

func (c *compressions) HandleRPC(_ context.Context, s stats.RPCStats) {
	if header, ok := s.(*stats.InHeader); ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.seen = append(c.seen, header.Compression)
	}
}

func TestIstiodThatCannotDecompressIsAskedWithout(t *testing.T) {
	mesh := standin.NewMesh(resource("a", "/1"))
	var recorded compressions
	var refused atomic.Bool
	istiod := standin.Start(t, func(s standin.Stream) error {
		if refused.CompareAndSwap(false, true) {
			return status.Error(codes.Unimplemented, `grpc: Decompressor is not installed for grpc-encoding "gzip"`)
		}
		return mesh.Serve(s)
	}, standin.Option{Server: grpc.StatsHandler(&recorded)})
	run(t, istiod.Address, newStandinHandler(), func(o *ads.Options) { o.Compression = "gzip" })
	mesh.AwaitAnswers(t, 1)
	recorded.mu.Lock()
	defer recorded.mu.Unlock()
	assert.Equal(t, recorded.seen, []string{"gzip", ""})
}

func TestNackMessageIsBounded(t *testing.T) {
	mesh := standin.NewMesh()
	handler := newStandinHandler()
	for i := range 200 {
		r := resource(strings.Repeat("x", i%40+1)+string(rune('a'+i%26))+strings.Repeat("y", i/26), "/1")
		mesh.Set(r)
		handler.refuse[r.GetName()] = strings.Repeat("reason ", 200)
	}
	istiod := standin.Start(t, mesh.Serve)
	run(t, istiod.Address, handler, nil)
	detail := mesh.AwaitAnswers(t, 1)[0].GetErrorDetail().GetMessage()
	if len(detail) > 50*500 || !strings.Contains(detail, "more") {
		t.Fatalf("a NACK of %d bytes: %.200s", len(detail), detail)
	}
}
