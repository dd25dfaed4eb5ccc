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
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	securityapi "istio.io/api/security/v1alpha1"
	v3 "istio.io/istio/pilot/pkg/xds/v3"
	"istio.io/istio/pkg/test/util/assert"
	pkiutil "istio.io/istio/security/pkg/pki/util"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/filemode/token"
)

const (
	reviewsService = `
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec:
  selector: {app: reviews}
  ports: [{name: http, port: 9080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: reviews-v1}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
`
	reviewsCluster = "outbound|9080||reviews.default.svc.cluster.local"
)

func reviewsWorkload(n int) string {
	return fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: reviews-v%[1]d}
spec:
  address: 10.0.0.%[1]d
  labels: {app: reviews, version: v%[1]d}
  serviceAccount: bookinfo-reviews
`, n)
}

func reviewsRoute(subset string) string {
	return `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - route:
    - destination: {host: reviews, subset: ` + subset + `}
`
}

// newMesh writes a small mesh and gives its directory.
func newMesh(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "services.yaml", reviewsService)
	write(t, dir, "workloads/v1.yaml", reviewsWorkload(1))
	write(t, dir, "workloads/v2.yaml", reviewsWorkload(2))
	write(t, dir, "rules.yaml", reviewsRoute("v1"))
	return dir
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	assert.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	assert.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

// addresses are the endpoints of an EDS resource, in order.
func addresses(t *testing.T, r *anypb.Any) string {
	t.Helper()
	if r == nil {
		return ""
	}
	var cla endpoint.ClusterLoadAssignment
	assert.NoError(t, r.UnmarshalTo(&cla))
	var out []string
	for _, l := range cla.Endpoints {
		for _, e := range l.LbEndpoints {
			out = append(out, e.GetEndpoint().GetAddress().GetSocketAddress().GetAddress())
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// target is the cluster that the first route for a host of an RDS resource leads to.
func target(t *testing.T, r *anypb.Any, host string) string {
	t.Helper()
	if r == nil {
		return ""
	}
	var config route.RouteConfiguration
	assert.NoError(t, r.UnmarshalTo(&config))
	for _, vh := range config.VirtualHosts {
		if slices.Contains(vh.Domains, host) && len(vh.Routes) > 0 {
			return vh.Routes[0].GetRoute().GetCluster()
		}
	}
	return ""
}

var envoyTypes = map[string][]string{
	v3.ClusterType:  {"*"},
	v3.EndpointType: {reviewsCluster},
	v3.RouteType:    {"9080"},
}

// What a file says must reach Envoy over the secure port, when the file is there and when it changes.
func TestFileModeServesEnvoy(t *testing.T) {
	dir := newMesh(t)
	p := startPlane(t, dir, t.TempDir())
	tok := p.token(token.Request{Namespace: "default", ServiceAccount: "bookinfo-reviews"})
	n := node("reviews-v1", "default", "10.0.0.1", map[string]string{"app": "reviews", "version": "v1"})
	conn := p.dial(nil)
	c := p.xds(conn, tok, n, envoyTypes)

	endpoints := func() string { return addresses(t, c.resource(v3.EndpointType, reviewsCluster)) }
	reviews := func() string { return target(t, c.resource(v3.RouteType, "9080"), "reviews.default.svc.cluster.local") }
	const toV1, toV2 = "outbound|9080|v1|reviews.default.svc.cluster.local", "outbound|9080|v2|reviews.default.svc.cluster.local"
	is := func(what string, got func() string, want string) {
		t.Helper()
		start := time.Now()
		assert.EventuallyEqual(t, got, want, eventually...)
		t.Logf("%s after %v", what, time.Since(start).Round(time.Millisecond))
	}

	is("endpoints", endpoints, "10.0.0.1 10.0.0.2")
	is("routes", reviews, toV1)
	for _, name := range []string{reviewsCluster, toV1, toV2, "inbound|9080||"} {
		if c.resource(v3.ClusterType, name) == nil {
			t.Errorf("cluster %s is missing", name)
		}
	}
	stateOfTheWorld(t, conn, tok, n)

	write(t, dir, "rules.yaml", reviewsRoute("v2"))
	is("changed VirtualService", reviews, toV2)
	write(t, dir, "workloads/more/v3.yaml", reviewsWorkload(3))
	is("added WorkloadEntry", endpoints, "10.0.0.1 10.0.0.2 10.0.0.3")
	assert.NoError(t, os.Remove(filepath.Join(dir, "workloads/v2.yaml")))
	is("removed WorkloadEntry", endpoints, "10.0.0.1 10.0.0.3")

	// Kinds that upstream's own file store does not know work as in a cluster.
	write(t, dir, "route.yaml", `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: details}
spec:
  parentRefs: [{group: "", kind: Service, name: details}]
  rules: [{backendRefs: [{name: reviews, port: 9080}]}]
---
apiVersion: v1
kind: Service
metadata: {name: details}
spec: {ports: [{name: http, port: 9080}]}
`)
	is("HTTPRoute", func() string {
		return target(t, c.resource(v3.RouteType, "9080"), "details.default.svc.cluster.local")
	}, reviewsCluster)
}

// stateOfTheWorld asks for clusters over SotW ADS.
func stateOfTheWorld(t *testing.T, conn *grpc.ClientConn, tok string, n *core.Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(withToken(context.Background(), tok), time.Minute)
	defer cancel()
	stream, err := discovery.NewAggregatedDiscoveryServiceClient(conn).StreamAggregatedResources(ctx)
	assert.NoError(t, err)
	assert.NoError(t, stream.Send(&discovery.DiscoveryRequest{Node: n, TypeUrl: v3.ClusterType}))
	resp, err := stream.Recv()
	assert.NoError(t, err)
	found := false
	for _, r := range resp.Resources {
		var c cluster.Cluster
		assert.NoError(t, r.UnmarshalTo(&c))
		found = found || c.Name == reviewsCluster
	}
	if !found {
		t.Errorf("cluster %s is missing in %d clusters", reviewsCluster, len(resp.Resources))
	}
}

// A file with a mistake is named, with the line, and changes nothing.
func TestFileModeMalformedFile(t *testing.T) {
	dir := newMesh(t)
	p := startPlane(t, dir, t.TempDir())
	c := p.xds(p.dial(nil), p.token(token.Request{Namespace: "default", ServiceAccount: "bookinfo-reviews"}),
		node("reviews-v1", "default", "10.0.0.1", nil), envoyTypes)
	reviews := func() string { return target(t, c.resource(v3.RouteType, "9080"), "reviews.default.svc.cluster.local") }
	endpoints := func() string { return addresses(t, c.resource(v3.EndpointType, reviewsCluster)) }
	assert.EventuallyEqual(t, reviews, "outbound|9080|v1|reviews.default.svc.cluster.local", eventually...)
	assert.EventuallyEqual(t, endpoints, "10.0.0.1 10.0.0.2", eventually...)
	before := c.settle()

	refused := func() string {
		var lines []string
		for _, r := range p.instance.Mesh.Status().Refused {
			lines = append(lines, r.Error())
		}
		return strings.Join(lines, "\n")
	}
	rules, workload := filepath.Join(dir, "rules.yaml"), filepath.Join(dir, "workloads/v2.yaml")
	write(t, dir, "rules.yaml", strings.Replace(reviewsRoute("v2"), "host: reviews", "hots: reviews", 1))
	assert.EventuallyEqual(t, refused,
		rules+`:9: VirtualService default/reviews: spec.http[0].route[0].destination.hots: unknown field "hots"`, eventually...)
	write(t, dir, "workloads/v2.yaml", "apiVersion: v1\nkind: [\n")
	assert.EventuallyEqual(t, refused,
		rules+`:9: VirtualService default/reviews: spec.http[0].route[0].destination.hots: unknown field "hots"`+"\n"+
			workload+":2: YAML: did not find expected node content", eventually...)
	code, page := p.get(p.monitoring, "/debug/filez")
	if code != 200 || !strings.Contains(page, `"line": 9`) || !strings.Contains(page, `unknown field \"hots\"`) {
		t.Errorf("the debug page says %d %s", code, page)
	}
	code, metrics := p.get(p.monitoring, "/metrics")
	if code != 200 || !strings.Contains(metrics, `pilot_apisix_config_files{state="refused"} 2`) {
		t.Errorf("the metrics do not count two refused files:\n%s", metrics)
	}

	// Nothing was pushed for what is not served.
	assert.Equal(t, c.settle(), before)

	// Other files are read on, and the broken ones have what they had.
	write(t, dir, "workloads/v3.yaml", reviewsWorkload(3))
	assert.EventuallyEqual(t, endpoints, "10.0.0.1 10.0.0.2 10.0.0.3", eventually...)
	assert.Equal(t, reviews(), "outbound|9080|v1|reviews.default.svc.cluster.local")
	write(t, dir, "rules.yaml", reviewsRoute("v2"))
	write(t, dir, "workloads/v2.yaml", reviewsWorkload(4))
	assert.EventuallyEqual(t, refused, "", eventually...)
	assert.EventuallyEqual(t, reviews, "outbound|9080|v2|reviews.default.svc.cluster.local", eventually...)
	assert.EventuallyEqual(t, endpoints, "10.0.0.1 10.0.0.3 10.0.0.4", eventually...)
}

// Who is not what it says is refused. Upstream tells a client only that it is not authenticated; why is in istiod's log.
func TestFileModeAuthentication(t *testing.T) {
	p := startPlane(t, newMesh(t), t.TempDir())
	other := startPlane(t, newMesh(t), t.TempDir())
	mine := token.Request{Namespace: "default", ServiceAccount: "bookinfo-reviews"}
	forOthers := mine
	forOthers.Audiences = []string{"vault"}
	own := node("reviews-v1", "default", "10.0.0.1", nil)
	for _, tt := range []struct {
		name   string
		token  string
		node   *core.Node
		code   codes.Code
		reason string
		logged string
	}{
		{"no token", "", own, codes.Unauthenticated, "authentication failure", "no HTTP authorization header exists"},
		{"other key", other.token(mine), own, codes.Unauthenticated, "authentication failure", "the token's signature is not that of this control plane's key"},
		{"other audience", p.token(forOthers), own, codes.Unauthenticated, "authentication failure", "the token is for audience vault, and istio-ca is needed"},
		{
			"node of another namespace", p.token(mine), node("ratings-v1", "prod", "10.0.0.1", nil), codes.PermissionDenied,
			"no identities ([spiffe://cluster.local/ns/default/sa/bookinfo-reviews]) matched prod/", "Unauthorized XDS",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			said := logged(t)
			err := p.xds(p.dial(nil), tt.token, tt.node, map[string][]string{v3.ClusterType: {"*"}}).failure()
			if status.Code(err) != tt.code || !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("got %v", err)
			}
			if text := said(); !strings.Contains(text, tt.logged) {
				t.Errorf("the log does not tell the reason:\n%s", text)
			} else if tt.token != "" && strings.Contains(text, tt.token) {
				t.Error("the token is in the log")
			}
		})
	}
}

// sign asks the CA for a certificate as an agent does.
func (p *plane) sign(tok, id string) (tls.Certificate, []string) {
	p.t.Helper()
	csr, key, err := pkiutil.GenCSR(pkiutil.CertOptions{Host: id, ECSigAlg: pkiutil.EcdsaSigAlg})
	assert.NoError(p.t, err)
	ctx, cancel := context.WithTimeout(withToken(context.Background(), tok), time.Minute)
	defer cancel()
	resp, err := securityapi.NewIstioCertificateServiceClient(p.dial(nil)).CreateCertificate(ctx,
		&securityapi.IstioCertificateRequest{Csr: string(csr), ValidityDuration: 3600})
	assert.NoError(p.t, err)
	cert, err := tls.X509KeyPair([]byte(strings.Join(resp.CertChain, "\n")), key)
	assert.NoError(p.t, err)
	return cert, resp.CertChain
}

// A control plane that comes back must be the same to its agents: their certificates and tokens are good, and so is what
// they trust. What the mesh was when it ended, it is when it starts, even if a file has been broken meanwhile.
func TestFileModeRestart(t *testing.T) {
	dir, stateDir := newMesh(t), t.TempDir()
	p := startPlane(t, dir, stateDir)
	const id = "spiffe://cluster.local/ns/default/sa/bookinfo-reviews"
	tok := p.token(token.Request{Namespace: "default", ServiceAccount: "bookinfo-reviews"})
	cert, chain := p.sign(tok, id)
	root := p.rootCert()

	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(root)
	block, _ := pem.Decode([]byte(chain[0]))
	leaf, err := x509.ParseCertificate(block.Bytes)
	assert.NoError(t, err)
	_, err = leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	assert.NoError(t, err)
	if len(leaf.URIs) != 1 || leaf.URIs[0].String() != id {
		t.Errorf("the certificate is for %v", leaf.URIs)
	}

	check := func(p *plane) {
		t.Helper()
		n := node("reviews-v1", "default", "10.0.0.1", nil)
		for name, c := range map[string]*xdsClient{
			"certificate": p.xds(p.dial(&cert), "", n, envoyTypes),
			"token":       p.xds(p.dial(nil), tok, n, envoyTypes),
		} {
			assert.EventuallyEqual(t, func() string { return addresses(t, c.resource(v3.EndpointType, reviewsCluster)) }, "10.0.0.1 10.0.0.2", eventually...)
			assert.EventuallyEqual(t, func() string {
				return target(t, c.resource(v3.RouteType, "9080"), "reviews.default.svc.cluster.local")
			}, "outbound|9080|v1|reviews.default.svc.cluster.local", eventually...)
			t.Logf("served with the %s", name)
		}
		// The certificate is for one namespace here as well.
		other := p.xds(p.dial(&cert), "", node("x", "prod", "10.0.0.9", nil), envoyTypes)
		assert.Equal(t, status.Code(other.failure()), codes.PermissionDenied)
	}
	check(p)
	for _, name := range []string{"service-account.key", "secrets/istio-system/istio-ca-secret.json"} {
		info, err := os.Stat(filepath.Join(stateDir, name))
		assert.NoError(t, err)
		assert.Equal(t, info.Mode().Perm(), os.FileMode(0o600))
	}
	p.stop()

	write(t, dir, "rules.yaml", "kind: [\n")
	again := startPlane(t, dir, stateDir)
	assert.Equal(t, string(again.rootCert()), string(root))
	assert.Equal(t, len(again.instance.Mesh.Status().Refused), 1)
	check(again)
}

// Nothing that istiod does must stumble over what is not there: a log full of errors hides those that matter.
func TestFileModeLogIsClean(t *testing.T) {
	if !inOwnProcess(t) {
		return
	}
	said := logged(t)
	dir := newMesh(t)
	p := startPlane(t, dir, t.TempDir())
	c := p.xds(p.dial(nil), p.token(token.Request{Namespace: "default", ServiceAccount: "bookinfo-reviews"}),
		node("reviews-v1", "default", "10.0.0.1", nil), envoyTypes)
	write(t, dir, "workloads/v3.yaml", reviewsWorkload(3))
	assert.EventuallyEqual(t, func() string { return addresses(t, c.resource(v3.EndpointType, reviewsCluster)) },
		"10.0.0.1 10.0.0.2 10.0.0.3", eventually...)
	running := said()
	p.stop()

	for line := range strings.Lines(said()) {
		switch {
		// startPlane asks whether it is ready until it is; and how fast the machine is says nothing of us.
		case strings.HasSuffix(strings.TrimSpace(line), "is not ready"), strings.Contains(line, "slow startup task"):
		// Controllers of the leader that were about to start when they were told to stop.
		case strings.Contains(line, "sync failed") && !strings.Contains(running, line):
		default:
			t.Error(line)
		}
	}
}
