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

package bootstrap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/anypb"

	"istio.io/istio/pilot/cmd/pilot-discovery/app"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/test/util/assert"
	"istio.io/istio/pkg/test/util/retry"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/filemode"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/filemode/token"
)

// eventually is how long a test waits for what is to come; it is long, so that a slow machine is no failure.
var eventually = []retry.Option{retry.Timeout(30 * time.Second), retry.Delay(2 * time.Millisecond)}

// plane is a control plane on a directory of files.
type plane struct {
	t        *testing.T
	instance *Instance
	// http, monitoring and secure are the addresses of the ports 8080, 15014 and 15012.
	http, monitoring, secure string
	configDir, stateDir      string

	stop func()
}

// freeAddress gives an address that nobody listens on at the moment.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	assert.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// startPlane starts a control plane as the command does, with flags.
func startPlane(t *testing.T, configDir, stateDir string, extensions ...Extension) *plane {
	t.Helper()
	p := &plane{
		t: t, http: freeAddress(t), monitoring: freeAddress(t), secure: freeAddress(t),
		configDir: configDir, stateDir: stateDir,
	}
	c := discoveryCommand(t, app.NewRootCommand())
	assert.NoError(t, c.ParseFlags([]string{
		"--registries=", "--configDir=" + configDir,
		"--httpAddr=" + p.http, "--secureGRPCAddr=" + p.secure, "--monitoringAddr=" + p.monitoring,
		"--grpcAddr=127.0.0.1:0", "--httpsAddr=127.0.0.1:0", "--shutdownDuration=1s",
		"--meshConfig=" + filepath.Join(stateDir, "none"), "--networksConfig=" + filepath.Join(stateDir, "none"),
	}))
	args, err := PilotArgs(c.Flags())
	assert.NoError(t, err)
	args.CtrlZOptions = nil
	if !filemode.Wanted(args) {
		t.Fatal("the flags do not ask for file mode")
	}
	p.instance, err = NewInstance(args, &filemode.Options{
		ConfigDir: configDir, StateDir: stateDir, SystemNamespace: args.Namespace,
	}, extensions...)
	assert.NoError(t, err)
	stop := make(chan struct{})
	assert.NoError(t, p.instance.Start(stop))
	p.stop = sync.OnceFunc(func() {
		close(stop)
		p.instance.WaitUntilCompletion()
	})
	t.Cleanup(p.stop)
	retry.UntilSuccessOrFail(t, func() error {
		resp, err := http.Get("http://" + p.http + "/ready")
		if err == nil {
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				return os.ErrNotExist
			}
		}
		return err
	}, eventually...)
	return p
}

// get reads a page.
func (p *plane) get(addr, path string) (int, string) {
	p.t.Helper()
	resp, err := http.Get("http://" + addr + path)
	assert.NoError(p.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	assert.NoError(p.t, err)
	return resp.StatusCode, string(body)
}

// token issues a token for a service account.
func (p *plane) token(req token.Request) string {
	p.t.Helper()
	text, err := p.instance.Mesh.IssueToken(req)
	assert.NoError(p.t, err)
	return text
}

// rootCert is what agents are pointed to.
func (p *plane) rootCert() []byte {
	p.t.Helper()
	pem, err := os.ReadFile(p.instance.Mesh.RootCertPath())
	assert.NoError(p.t, err)
	return pem
}

// dial connects to the secure port as an agent does; cert may be nil.
func (p *plane) dial(cert *tls.Certificate) *grpc.ClientConn {
	p.t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(p.rootCert()) {
		p.t.Fatal("no certificate in the root certificate's file")
	}
	config := &tls.Config{RootCAs: roots, ServerName: "istiod.istio-system.svc"}
	if cert != nil {
		config.Certificates = []tls.Certificate{*cert}
	}
	conn, err := grpc.NewClient(p.secure, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	assert.NoError(p.t, err)
	p.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func withToken(ctx context.Context, tok string) context.Context {
	if tok == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+tok)
}

// node is how a sidecar beside a workload introduces itself.
func node(name, namespace, ip string, labels map[string]string) *core.Node {
	return &core.Node{
		Id: "sidecar~" + ip + "~" + name + "." + namespace + "~" + namespace + ".svc.cluster.local",
		Metadata: model.NodeMetadata{
			Namespace: namespace, Labels: labels, InstanceIPs: []string{ip}, ClusterID: "Kubernetes", IstioVersion: "1.31.0",
		}.ToStruct(),
	}
}

// xdsClient follows resources over delta ADS and acknowledges what it gets.
type xdsClient struct {
	t      *testing.T
	stream discovery.AggregatedDiscoveryService_DeltaAggregatedResourcesClient

	mu sync.Mutex
	// resources are by type and name, err is what ended the stream.
	resources map[string]map[string]*anypb.Any
	responses int
	err       error
}

func (p *plane) xds(conn *grpc.ClientConn, tok string, n *core.Node, subscriptions map[string][]string) *xdsClient {
	p.t.Helper()
	ctx, cancel := context.WithCancel(withToken(context.Background(), tok))
	p.t.Cleanup(cancel)
	stream, err := discovery.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(ctx)
	assert.NoError(p.t, err)
	c := &xdsClient{t: p.t, stream: stream, resources: map[string]map[string]*anypb.Any{}}
	for typeURL, names := range subscriptions {
		c.resources[typeURL] = map[string]*anypb.Any{}
		// An error of Send is that of the stream, which receive finds.
		_ = stream.Send(&discovery.DeltaDiscoveryRequest{Node: n, TypeUrl: typeURL, ResourceNamesSubscribe: names})
	}
	go c.receive()
	return c
}

func (c *xdsClient) receive() {
	for {
		resp, err := c.stream.Recv()
		c.mu.Lock()
		if err != nil {
			c.err = err
			c.mu.Unlock()
			return
		}
		c.responses++
		for _, r := range resp.Resources {
			c.resources[resp.TypeUrl][r.Name] = r.Resource
		}
		for _, name := range resp.RemovedResources {
			delete(c.resources[resp.TypeUrl], name)
		}
		c.mu.Unlock()
		_ = c.stream.Send(&discovery.DeltaDiscoveryRequest{TypeUrl: resp.TypeUrl, ResponseNonce: resp.Nonce})
	}
}

// resource gives a resource that the client has; nil when it has none.
func (c *xdsClient) resource(typeURL, name string) *anypb.Any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.resources[typeURL][name]
}

// settle waits until nothing more comes, and gives the number of responses so far.
func (c *xdsClient) settle() int {
	count := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.responses
	}
	for last := -1; ; {
		now := count()
		if now == last {
			return now
		}
		last = now
		time.Sleep(500 * time.Millisecond)
	}
}

// failure waits for the stream to end.
func (c *xdsClient) failure() error {
	c.t.Helper()
	var out error
	retry.UntilSuccessOrFail(c.t, func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if out = c.err; out == nil {
			return os.ErrNotExist
		}
		return nil
	}, eventually...)
	return out
}
