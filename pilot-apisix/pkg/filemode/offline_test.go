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

package filemode

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/config/constants"
	"istio.io/istio/pkg/config/host"
	"istio.io/istio/pkg/test/util/assert"
)

// offlineMesh has a workload of each sort: a WorkloadEntry that a Service selects, one that a ServiceEntry selects, a Pod
// with an EndpointSlice as `kubectl get -o yaml` gives them, and a gateway.
const offlineMesh = `
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec:
  selector: {app: reviews}
  ports: [{name: http, port: 9080}]
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: reviews-v1}
spec:
  address: 10.0.0.1
  labels: {app: reviews, version: v1}
  serviceAccount: bookinfo-reviews
  locality: eu/a/1
  network: one
---
apiVersion: networking.istio.io/v1beta1
kind: ServiceEntry
metadata: {name: legacy}
spec:
  hosts: [legacy.example.com]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  workloadSelector: {labels: {app: legacy}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: legacy-1.b}
spec:
  address: 10.0.0.2
  labels: {app: legacy}
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Namespace
  metadata: {name: prod}
- apiVersion: v1
  kind: Node
  metadata:
    name: node-1
    labels: {topology.kubernetes.io/region: us, topology.kubernetes.io/zone: b}
- apiVersion: v1
  kind: Service
  metadata: {name: ratings, namespace: prod}
  spec:
    clusterIP: 10.96.0.7
    selector: {app: ratings}
    ports: [{name: http, port: 80, targetPort: 8080}]
- apiVersion: v1
  kind: Pod
  metadata: {name: ratings-abc, namespace: prod, labels: {app: ratings}}
  spec: {nodeName: node-1, serviceAccountName: ratings, containers: []}
  status: {phase: Running, podIP: 10.0.0.3, podIPs: [{ip: 10.0.0.3}]}
- apiVersion: discovery.k8s.io/v1
  kind: EndpointSlice
  metadata: {name: ratings-x, namespace: prod, labels: {kubernetes.io/service-name: ratings}}
  addressType: IPv4
  ports: [{name: http, port: 8080}]
  endpoints:
  - addresses: [10.0.0.3]
    conditions: {ready: true}
    targetRef: {kind: Pod, name: ratings-abc, namespace: prod}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: ["*"]
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: ingress
  namespace: istio-system
  annotations: {inject.istio.io/templates: gateway}
spec:
  address: 10.0.0.4
  labels: {istio: ingressgateway}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: by-name}
spec: {address: vm.example.com}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  subsets: [{name: v1, labels: {version: v1}}]
`

func writeFile(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	assert.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	assert.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

func newOffline(t *testing.T, paths ...string) *Offline {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	o, err := NewOffline(ctx, paths)
	assert.NoError(t, err)
	t.Cleanup(o.Close)
	return o
}

func TestOfflineProxies(t *testing.T) {
	o := newOffline(t, writeFile(t, t.TempDir(), "mesh.yaml", offlineMesh))

	tests := []struct {
		id       string
		nodeType model.NodeType
		ip       string
		// targets are "HOST:PORT>TARGET" of the services that the workload is part of.
		targets        []string
		serviceAccount string
		locality       string
		network        string
		gateway        bool
	}{
		{
			id: "reviews-v1.default", nodeType: model.SidecarProxy, ip: "10.0.0.1",
			targets:        []string{"reviews.default.svc.cluster.local:9080>9080"},
			serviceAccount: "bookinfo-reviews", locality: "eu/a/1", network: "one",
		},
		{
			id: "legacy-1.b.default", nodeType: model.SidecarProxy, ip: "10.0.0.2",
			targets: []string{"legacy.example.com:80>80"},
		},
		{
			id: "ratings-abc.prod", nodeType: model.SidecarProxy, ip: "10.0.0.3",
			targets:        []string{"ratings.prod.svc.cluster.local:80>8080"},
			serviceAccount: "ratings", locality: "us/b/",
		},
		{id: "ingress.istio-system", nodeType: model.Router, ip: "10.0.0.4", gateway: true},
	}
	for _, tt := range tests {
		t.Run(tt.id, func(t *testing.T) {
			p, err := o.Proxy(tt.id)
			assert.NoError(t, err)
			assert.Equal(t, p.ID, tt.id)
			assert.Equal(t, p.Type, tt.nodeType)
			assert.Equal(t, p.IPAddresses, []string{tt.ip})
			assert.Equal(t, p.Metadata.ServiceAccount, tt.serviceAccount)
			assert.Equal(t, string(p.Metadata.Network), tt.network)
			l := p.Locality
			locality := strings.Join([]string{l.GetRegion(), l.GetZone(), l.GetSubZone()}, "/")
			if want := tt.locality; want == "" {
				assert.Equal(t, locality, "//")
			} else {
				assert.Equal(t, locality, want)
			}
			var targets []string
			for _, st := range p.ServiceTargets {
				targets = append(targets, string(st.Service.Hostname)+":"+strconv.Itoa(st.Port.Port)+">"+strconv.Itoa(int(st.Port.TargetPort)))
			}
			assert.Equal(t, targets, tt.targets)
			if p.SidecarScope == nil || !p.SupportsIPv4() {
				t.Error("the proxy is not complete")
			}
			assert.Equal(t, p.MergedGateway != nil && len(p.MergedGateway.ServerPorts) > 0, tt.gateway)
			// What the mesh has is in every proxy's scope.
			if p.SidecarScope.GetService("reviews.default.svc.cluster.local") == nil {
				t.Error("the service reviews is not in the scope")
			}
		})
	}
	proxy, err := o.Proxy("reviews-v1.default")
	assert.NoError(t, err)
	rule := proxy.SidecarScope.DestinationRule(model.TrafficDirectionOutbound, proxy, "reviews.default.svc.cluster.local")
	if rule == nil {
		t.Error("the DestinationRule is not in the scope")
	}
}

func TestOfflineServices(t *testing.T) {
	o := newOffline(t, writeFile(t, t.TempDir(), "mesh.yaml", offlineMesh))
	push := o.Environment().PushContext()
	for name, want := range map[string]string{
		"reviews.default.svc.cluster.local": "10.0.0.1",
		"legacy.example.com":                "10.0.0.2",
		"ratings.prod.svc.cluster.local":    "10.0.0.3",
	} {
		shards, ok := o.Environment().EndpointIndex.ShardsForService(name, namespaceOfHost(name))
		if !ok {
			t.Errorf("%s has no endpoints", name)
			continue
		}
		var got []string
		shards.RLock()
		for _, endpoints := range shards.Shards {
			for _, e := range endpoints {
				got = append(got, e.Addresses...)
			}
		}
		shards.RUnlock()
		assert.Equal(t, got, []string{want})
	}
	all := o.Environment().ServiceDiscovery.Services()
	byHost := map[host.Name]*model.Service{}
	for _, s := range all {
		byHost[s.Hostname] = s
	}
	assert.Equal(t, byHost["ratings.prod.svc.cluster.local"].DefaultAddress, "10.96.0.7")
	// A Service that names no address gets one, as in a cluster.
	if a := byHost["reviews.default.svc.cluster.local"].DefaultAddress; a == constants.UnspecifiedIP || a == "" {
		t.Errorf("the service reviews has the address %q", a)
	}
	if push == nil || o.DiscoveryServer() == nil {
		t.Error("no push context or no discovery server")
	}
}

func namespaceOfHost(name string) string {
	if strings.Contains(name, ".prod.") {
		return "prod"
	}
	return "default"
}

func TestOfflineRefuses(t *testing.T) {
	dir := t.TempDir()
	bad := writeFile(t, dir, "bad.yaml", "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: x}\nspec:\n  hosts: [x]\n  htpp: []\n")
	for name, tt := range map[string]struct {
		paths []string
		want  string
	}{
		"nothing":        {nil, "no configuration"},
		"missing file":   {[]string{filepath.Join(dir, "none.yaml")}, "none.yaml"},
		"malformed file": {[]string{dir}, bad + ":6: VirtualService default/x: spec.htpp: unknown field"},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := NewOffline(context.Background(), tt.paths)
			if err == nil {
				o.Close()
			}
			errorContains(t, err, tt.want)
		})
	}

	o := newOffline(t, writeFile(t, t.TempDir(), "mesh.yaml", offlineMesh))
	for id, want := range map[string]string{
		"reviews-v1":      "write NAME.NAMESPACE",
		"nobody.default":  "reviews-v1.default",
		"by-name.default": "no IP address",
	} {
		t.Run(id, func(t *testing.T) {
			_, err := o.Proxy(id)
			errorContains(t, err, want)
		})
	}

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := NewOffline(ctx, []string{writeFile(t, t.TempDir(), "mesh.yaml", offlineMesh)})
	errorContains(t, err, "canceled")
}

func errorContains(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want one with %q", err, want)
	}
}
