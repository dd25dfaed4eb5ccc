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

package xds

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pilot/pkg/model"
	xdstest "istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/test/util/retry"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/translate"
	"github.com/apisix-mesh/pilot-apisix/pkg/apis/mesh/v1alpha1"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// patience is how long a test waits for what must come. What must not come is asked for by a later change that does.
const patience = 20 * time.Second

// mesh is Istio's fake discovery server with our generator.
type mesh struct {
	*xdstest.FakeDiscoveryServer
	t         *testing.T
	generator *Generator
	source    *sourceStandIn
	conn      *grpc.ClientConn
	// panics makes the source panic, hold is called by it first.
	panics atomic.Bool
	hold   atomic.Pointer[func(proxy *model.Proxy)]
}

// services is n services with a VirtualService for each.
func services(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: s%[1]d, namespace: default}
spec:
  hosts: [s%[1]d.test]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: 10.0.0.%[1]d}]
%[2]s`, i, virtualService("default", i, "v1"))
	}
	return b.String()
}

func virtualService(namespace string, i int, subset string) string {
	return fmt.Sprintf(`---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: s%[2]d, namespace: %[1]s}
spec:
  hosts: [s%[2]d.test]
  http: [{name: %[3]s, route: [{destination: {host: s%[2]d.test}}]}]
`, namespace, i, subset)
}

// newMesh starts a server. Its source reads services, endpoints and VirtualServices as a real one would, and makes of
// them no more than a test needs.
func newMesh(t *testing.T, configs string) *mesh {
	m := &mesh{t: t, FakeDiscoveryServer: xdstest.NewFakeDiscoveryServer(t, xdstest.FakeOptions{ConfigString: configs})}
	m.source = &sourceStandIn{generate: func(proxy *model.Proxy, _ *model.PushRequest) (*translate.Output, error) {
		if hold := m.hold.Load(); hold != nil {
			(*hold)(proxy)
		}
		if m.panics.Load() {
			panic("as the test wants")
		}
		return outputOf(proxy, m.Discovery.Env.EndpointIndex), nil
	}}
	// Tests connect more proxies at once than istiod would let in.
	m.Discovery.RequestRateLimit.SetLimit(0)
	var err error
	m.generator, err = Register(m.Discovery, m.source)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func outputOf(proxy *model.Proxy, index *model.EndpointIndex) *translate.Output {
	out := &translate.Output{}
	for _, svc := range proxy.SidecarScope.Services() {
		var nodes []string
		if shards, ok := index.ShardsForService(string(svc.Hostname), svc.Attributes.Namespace); ok {
			shards.RLock()
			for _, key := range shards.Keys() {
				for _, e := range shards.Shards[key] {
					nodes = append(nodes, e.Addresses...)
				}
			}
			shards.RUnlock()
		}
		slices.Sort(nodes)
		out.Resources = append(out.Resources, resource(
			apisix.Name(apisix.Upstreams, apisix.ID(string(svc.Hostname))), strings.Join(nodes, " ")))
	}
	for _, listener := range proxy.SidecarScope.EgressListeners {
		for _, vs := range listener.VirtualServices() {
			first := vs.Spec.(*networking.VirtualService).Http[0].Name
			out.Resources = append(out.Resources, resource(apisix.Name(apisix.Routes, apisix.ID(vs.Namespace, vs.Name)), first))
		}
	}
	slices.SortFunc(out.Resources, compare)
	return out
}

// apply creates or updates configuration, as an edited file or kubectl would.
func (m *mesh) apply(yaml string) {
	m.t.Helper()
	configs, _, err := crd.ParseInputs(yaml)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, c := range configs {
		if m.Store().Get(c.GroupVersionKind, c.Name, c.Namespace) == nil {
			_, err = m.Store().Create(c)
		} else {
			_, err = m.Store().Update(c)
		}
		if err != nil {
			m.t.Fatal(err)
		}
	}
}

func (m *mesh) remove(kind config.GroupVersionKind, name string) {
	m.t.Helper()
	if err := m.Store().Delete(kind, name, "default", nil); err != nil {
		m.t.Fatal(err)
	}
}

// setEndpoints makes addresses the endpoints of service i, beside the one it has from its ServiceEntry.
func (m *mesh) setEndpoints(i int, addresses ...string) {
	var endpoints []*model.IstioEndpoint
	for _, address := range addresses {
		endpoints = append(endpoints, &model.IstioEndpoint{Addresses: []string{address}, ServicePortName: "http", EndpointPort: 80})
	}
	m.Discovery.EDSUpdate(model.ShardKey{Cluster: "test", Provider: "test"}, fmt.Sprintf("s%d.test", i), "default", endpoints)
}

// stream is a client of the server with delta ADS.
type stream struct {
	t         *testing.T
	client    discovery.AggregatedDiscoveryService_DeltaAggregatedResourcesClient
	node      *core.Node
	responses chan *discovery.DeltaDiscoveryResponse
	// ended has why the stream ended.
	ended chan error
	close context.CancelFunc

	has map[string]string
	// values are what the JSON says.
	values map[string]string
	// received counts resources.
	received int
}

func (m *mesh) dial() *grpc.ClientConn {
	m.t.Helper()
	if m.conn == nil {
		conn, err := grpc.NewClient("passthrough:///mesh", grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return m.BufListener.Dial() }))
		if err != nil {
			m.t.Fatal(err)
		}
		m.t.Cleanup(func() { _ = conn.Close() })
		m.conn = conn
	}
	return m.conn
}

// connect opens the stream of proxy id, NAME.NAMESPACE, of the given type.
func (m *mesh) connect(node model.NodeType, id string) *stream {
	m.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	m.t.Cleanup(cancel)
	client, err := discovery.NewAggregatedDiscoveryServiceClient(m.dial()).DeltaAggregatedResources(ctx)
	if err != nil {
		m.t.Fatal(err)
	}
	s := &stream{
		t: m.t, client: client, close: cancel,
		responses: make(chan *discovery.DeltaDiscoveryResponse), ended: make(chan error, 1),
		has: map[string]string{}, values: map[string]string{},
		node: &core.Node{
			Id: string(node) + "~1.1.1.1~" + id + "~default.svc.cluster.local",
			Metadata: model.NodeMetadata{
				Namespace: id[strings.LastIndex(id, ".")+1:], ProxyConfig: &model.NodeMetaProxyConfig{},
			}.ToStruct(),
		},
	}
	go func() {
		for {
			resp, err := client.Recv()
			if err != nil {
				s.ended <- err
				return
			}
			select {
			case s.responses <- resp:
			case <-ctx.Done():
				return
			}
		}
	}()
	return s
}

// proxy is a sidecar that has just connected, without a request.
func (m *mesh) proxy(id string) *stream {
	m.t.Helper()
	return m.connect(model.SidecarProxy, id)
}

func (s *stream) request(req *discovery.DeltaDiscoveryRequest) {
	s.t.Helper()
	req.Node = s.node
	if req.TypeUrl == "" {
		req.TypeUrl = v1alpha1.TypeURL
	}
	if err := s.client.Send(req); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stream) anyResponse() *discovery.DeltaDiscoveryResponse {
	s.t.Helper()
	select {
	case resp := <-s.responses:
		return resp
	case err := <-s.ended:
		s.t.Fatalf("the stream ended: %v", err)
	case <-time.After(patience):
		s.t.Fatal("no response came")
	}
	return nil
}

// subscribe sends the first request, with what the client has.
func (s *stream) subscribe() *response {
	s.t.Helper()
	s.request(&discovery.DeltaDiscoveryRequest{InitialResourceVersions: maps.Clone(s.has)})
	return s.next()
}

// next takes the next response, which may be empty, applies and accepts it.
func (s *stream) next() *response {
	s.t.Helper()
	resp := s.receive()
	s.ack(resp)
	return &response{resp.Resources, resp.RemovedResources}
}

func (s *stream) ack(resp *discovery.DeltaDiscoveryResponse) {
	s.request(&discovery.DeltaDiscoveryRequest{ResponseNonce: resp.Nonce})
}

func (s *stream) nack(resp *discovery.DeltaDiscoveryResponse, message string) {
	s.request(&discovery.DeltaDiscoveryRequest{
		ResponseNonce: resp.Nonce,
		ErrorDetail:   &rpcstatus.Status{Code: int32(codes.InvalidArgument), Message: message},
	})
}

func (s *stream) receive() *discovery.DeltaDiscoveryResponse {
	s.t.Helper()
	resp := s.anyResponse()
	for _, r := range resp.Resources {
		if s.has[r.Name] == r.Version {
			s.t.Errorf("%s was sent and had not changed", r.Name)
		}
		s.has[r.Name] = r.Version
		s.values[r.Name] = value(string(decode(s.t, r).Json))
		s.received++
	}
	for _, name := range resp.RemovedResources {
		delete(s.has, name)
		delete(s.values, name)
	}
	return resp
}

// value is that of a resource made by the function of this name.
func value(json string) string {
	_, v, _ := strings.Cut(json, `"value":"`)
	return strings.TrimSuffix(v, `"}`)
}

// until takes responses until the client has want for name; it gives the names that were sent on the way.
func (s *stream) until(name, want string) []string {
	s.t.Helper()
	sent := map[string]bool{}
	for s.values[name] != want {
		r := s.next()
		for _, n := range append(r.names(), r.removed...) {
			sent[n] = true
		}
	}
	return slices.Sorted(maps.Keys(sent))
}

// reconnect is a new stream of the same client, to the same server or to another one.
func (m *mesh) reconnect(old *stream, id string) *stream {
	old.close()
	s := m.proxy(id)
	s.has, s.values = old.has, old.values
	return s
}

// await waits until istiod has what a test has changed: configuration takes a moment to get from the store into a push.
func (m *mesh) await(name, want string) {
	m.t.Helper()
	retry.UntilOrFail(m.t, func() bool { return m.want()[name] == want }, retry.Timeout(patience))
}

// quiesce waits until no push has been made for a while: istiod makes some changes in two steps.
func (m *mesh) quiesce() {
	for last := m.PushContext(); ; {
		time.Sleep(100 * time.Millisecond)
		now := m.PushContext()
		if now == last {
			return
		}
		last = now
	}
}

// want is what a proxy in the default namespace must have.
func (m *mesh) want() map[string]string {
	proxy := m.SetupProxy(&model.Proxy{ConfigNamespace: "default", Type: model.SidecarProxy})
	values := map[string]string{}
	for _, r := range outputOf(proxy, m.Discovery.Env.EndpointIndex).Resources {
		values[r.Name()] = value(string(r.JSON))
	}
	return values
}
