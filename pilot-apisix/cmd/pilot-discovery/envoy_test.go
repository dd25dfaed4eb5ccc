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
	"bytes"
	"cmp"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	gocmp "github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/anypb"

	networking "istio.io/api/networking/v1alpha3"
	istiobootstrap "istio.io/istio/pilot/pkg/bootstrap"
	"istio.io/istio/pilot/pkg/model"
	v3 "istio.io/istio/pilot/pkg/xds/v3"
	fakexds "istio.io/istio/pilot/test/xds"
	"istio.io/istio/pilot/test/xdstest"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/schema/gvk"
	"istio.io/istio/pkg/log"
	"istio.io/istio/pkg/test/util/assert"
	"istio.io/istio/pkg/test/util/retry"

	"github.com/apisix-mesh/pilot-apisix/pkg/apis/mesh/v1alpha1"
)

func TestMain(m *testing.M) {
	for _, s := range log.Scopes() {
		s.SetOutputLevel(log.NoneLevel)
	}
	os.Exit(m.Run())
}

// istioModule is where Istio's own configurations are.
var istioModule = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "istio.io/istio").Output()
	return strings.TrimSpace(string(out)), err
})

func read(t *testing.T, files ...string) string {
	t.Helper()
	dir, err := istioModule()
	assert.NoError(t, err)
	var parts []string
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(dir, f))
		assert.NoError(t, err)
		parts = append(parts, string(text))
	}
	return strings.Join(parts, "\n---\n")
}

// What Envoy gets must not depend on what this binary has beyond upstream's, nor on the APISIX sidecars that are
// connected: the same resources, byte for byte, in as many responses.
func TestEnvoyUnchanged(t *testing.T) {
	const sidecar, router = "sidecar~1.1.1.1~envoy.default~default.svc.cluster.local", "router~1.1.1.1~envoy.default~default.svc.cluster.local"
	bookinfo := func(files ...string) func(t *testing.T) fakexds.FakeOptions {
		return func(t *testing.T) fakexds.FakeOptions {
			var paths []string
			for _, f := range files {
				paths = append(paths, "samples/bookinfo/networking/"+f)
			}
			// kubectl would add the namespace.
			inDefault := func(yaml string) string {
				return strings.ReplaceAll(yaml, "\nmetadata:\n", "\nmetadata:\n  namespace: default\n")
			}
			return fakexds.FakeOptions{
				KubernetesObjectString: inDefault(read(t, "samples/bookinfo/platform/kube/bookinfo.yaml")),
				ConfigString:           inDefault(read(t, paths...)),
			}
		}
	}
	benchmark := func(name string) func(t *testing.T) fakexds.FakeOptions {
		return func(t *testing.T) fakexds.FakeOptions {
			return fakexds.FakeOptions{
				ConfigString:        read(t, "pilot/pkg/xds/testdata/benchmarks/"+name+".yaml"),
				ConfigTemplateInput: struct{ Services, Instances int }{Services: 10, Instances: 3},
			}
		}
	}
	tests := []struct {
		name string
		node string
		opts func(t *testing.T) fakexds.FakeOptions
	}{
		{"bookinfo", sidecar, bookinfo("destination-rule-all.yaml", "virtual-service-all-v1.yaml")},
		{"bookinfo faults", sidecar, bookinfo(
			"destination-rule-all-mtls.yaml", "virtual-service-ratings-test-delay.yaml", "virtual-service-reviews-jason-v2-v3.yaml",
		)},
		{"bookinfo gateway", router, bookinfo("destination-rule-all.yaml", "bookinfo-gateway.yaml", "virtual-service-reviews-50-v3.yaml")},
		{"http", sidecar, benchmark("http")},
		{"tcp", sidecar, benchmark("tcp")},
		{"tls", sidecar, benchmark("tls")},
		{"virtualservice", sidecar, benchmark("virtualservice")},
		{"serviceentry-workloadentry", sidecar, benchmark("serviceentry-workloadentry")},
		{"authorizationpolicy", sidecar, benchmark("authorizationpolicy")},
		{"telemetry-api", sidecar, benchmark("telemetry-api")},
		{"gateways", router, benchmark("gateways")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ours, upstreams := newPlane(t, tt.opts(t), tt.node), newPlane(t, tt.opts(t), tt.node)
			ours.extend(t)
			compare(t, "first", ours.fetch(t), upstreams.fetch(t))
			compare(t, "after a change", ours.change(t), upstreams.change(t))
		})
	}
}

// plane is a discovery server, and one Envoy that is connected to it.
type plane struct {
	server *fakexds.FakeDiscoveryServer
	node   *core.Node
	stream discovery.AggregatedDiscoveryService_StreamAggregatedResourcesClient
	// responses are those that Envoy got; it is closed when the stream ends.
	responses chan *discovery.DiscoveryResponse
	// names are what Envoy asked for, by type.
	names map[string][]string
}

// patience is how long a test waits for what must come, and quiet how long nothing must come after a push for it to be
// over: all types of a push are sent in a row.
const (
	patience = 30 * time.Second
	quiet    = 500 * time.Millisecond
)

func newPlane(t *testing.T, opts fakexds.FakeOptions, node string) *plane {
	t.Helper()
	opts.DebounceTime = 10 * time.Millisecond
	p := &plane{
		server:    fakexds.NewFakeDiscoveryServer(t, opts),
		responses: make(chan *discovery.DiscoveryResponse, 100),
		node: &core.Node{Id: node, Metadata: model.NodeMetadata{
			Namespace: "default", ClusterID: "Kubernetes", IstioVersion: "1.31.0", Labels: map[string]string{"istio": "ingressgateway"},
		}.ToStruct()},
	}
	conn, err := grpc.NewClient("passthrough:///plane", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return p.server.BufListener.Dial() }))
	assert.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() {
		cancel()
		_ = conn.Close()
	})
	p.stream, err = discovery.NewAggregatedDiscoveryServiceClient(conn).StreamAggregatedResources(ctx)
	assert.NoError(t, err)
	go func() {
		defer close(p.responses)
		for {
			resp, err := p.stream.Recv()
			if err != nil {
				return
			}
			p.responses <- resp
		}
	}()
	return p
}

// next acknowledges the next response; it is nil when none comes in time.
func (p *plane) next(t *testing.T, wait time.Duration) *discovery.DiscoveryResponse {
	t.Helper()
	select {
	case resp, ok := <-p.responses:
		if !ok {
			t.Fatal("the stream has ended")
		}
		assert.NoError(t, p.stream.Send(&discovery.DiscoveryRequest{
			TypeUrl: resp.TypeUrl, ResourceNames: p.names[resp.TypeUrl], VersionInfo: resp.VersionInfo, ResponseNonce: resp.Nonce,
		}))
		return resp
	case <-time.After(wait):
		return nil
	}
}

// extend gives the server all that this binary has beyond upstream's, and connects an APISIX sidecar.
func (p *plane) extend(t *testing.T) {
	t.Helper()
	for _, extension := range extensions {
		assert.NoError(t, extension(&istiobootstrap.Server{XDSServer: p.server.Discovery}))
	}
	if _, ok := p.server.Discovery.Generators[v1alpha1.TypeURL]; !ok {
		t.Fatal("the extensions do not serve APISIX resources")
	}
	sidecar := p.server.ConnectDeltaADS().WithType(v1alpha1.TypeURL).WithTimeout(patience).
		WithID("sidecar~1.1.1.2~apisix.default~default.svc.cluster.local")
	sidecar.Request(&discovery.DeltaDiscoveryRequest{ResourceNamesSubscribe: []string{"*"}})
	go sidecar.DrainResponses()
	retry.UntilOrFail(t, func() bool { return len(p.server.Discovery.Clients()) == 1 }, retry.Timeout(patience))
}

// response is what Envoy gets in one response.
type response struct {
	TypeURL   string
	Resources []*anypb.Any
}

// responseOf sorts the resources, because upstream sends some types in the order of a Go map.
func responseOf(resp *discovery.DiscoveryResponse) response {
	slices.SortFunc(resp.Resources, func(a, b *anypb.Any) int { return bytes.Compare(a.Value, b.Value) })
	return response{resp.TypeUrl, resp.Resources}
}

// fetch asks for all that an Envoy asks for.
func (p *plane) fetch(t *testing.T) []response {
	t.Helper()
	var out []response
	p.names = map[string][]string{}
	ask := func(typeURL string, names []string) []*anypb.Any {
		t.Helper()
		p.names[typeURL] = names
		assert.NoError(t, p.stream.Send(&discovery.DiscoveryRequest{Node: p.node, TypeUrl: typeURL, ResourceNames: names}))
		resp := p.next(t, patience)
		if resp.GetTypeUrl() != typeURL {
			t.Fatalf("got %q in answer to a request for %q", resp.GetTypeUrl(), typeURL)
		}
		out = append(out, responseOf(resp))
		return resp.Resources
	}
	clusters := xdstest.ExtractEdsClusterNames(unmarshal[cluster.Cluster](t, ask(v3.ClusterType, nil)))
	if len(clusters) > 0 {
		ask(v3.EndpointType, clusters)
	}
	routes := xdstest.ExtractRoutesFromListeners(unmarshal[listener.Listener](t, ask(v3.ListenerType, nil)))
	if len(routes) > 0 {
		ask(v3.RouteType, routes)
	}
	return out
}

func unmarshal[T any, P interface {
	*T
	proto.Message
}](t *testing.T, resources []*anypb.Any,
) []*T {
	t.Helper()
	var out []*T
	for _, r := range resources {
		m := P(new(T))
		assert.NoError(t, r.UnmarshalTo(m))
		out = append(out, m)
	}
	return out
}

// change adds a DestinationRule for the first service and gives all that is pushed for it.
func (p *plane) change(t *testing.T) []response {
	t.Helper()
	services := p.server.Env().ServiceDiscovery.Services()
	first := slices.MinFunc(services, func(a, b *model.Service) int { return cmp.Compare(a.Hostname, b.Hostname) })
	_, err := p.server.Store().Create(config.Config{
		Meta: config.Meta{GroupVersionKind: gvk.DestinationRule, Name: "change", Namespace: first.Attributes.Namespace},
		Spec: &networking.DestinationRule{
			Host: string(first.Hostname),
			TrafficPolicy: &networking.TrafficPolicy{
				ConnectionPool: &networking.ConnectionPoolSettings{Http: &networking.ConnectionPoolSettings_HTTPSettings{MaxRetries: 7}},
			},
		},
	})
	assert.NoError(t, err)
	resp := p.next(t, patience)
	if resp == nil {
		t.Fatal("nothing was pushed")
	}
	var out []response
	for ; resp != nil; resp = p.next(t, quiet) {
		out = append(out, responseOf(resp))
	}
	return out
}

// compare finds what differs.
func compare(t *testing.T, when string, ours, upstreams []response) {
	t.Helper()
	types := func(rs []response) []string {
		var out []string
		for _, r := range rs {
			out = append(out, r.TypeURL)
		}
		return out
	}
	if diff := gocmp.Diff(types(upstreams), types(ours)); diff != "" {
		t.Fatalf("%s: other responses (-upstream +ours)\n%s", when, diff)
	}
	for i := range ours {
		if len(ours[i].Resources) == 0 {
			t.Errorf("%s: an empty response of %s: the test says nothing", when, ours[i].TypeURL)
		}
		if slices.EqualFunc(ours[i].Resources, upstreams[i].Resources, func(a, b *anypb.Any) bool {
			return a.TypeUrl == b.TypeUrl && bytes.Equal(a.Value, b.Value)
		}) {
			continue
		}
		t.Errorf("%s: %s differs (-upstream +ours)\n%s", when, ours[i].TypeURL,
			gocmp.Diff(upstreams[i].Resources, ours[i].Resources, protocmp.Transform()))
	}
}
