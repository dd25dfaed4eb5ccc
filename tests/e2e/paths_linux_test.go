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
	"net/http"
	"strings"
	"testing"
)

// TestExcluded has connections pass by the proxy, as the annotations excludeOutboundPorts, excludeOutboundIPRanges and
// excludeInboundPorts say: what injection makes of them are arguments of the rules.
func TestExcluded(t *testing.T) {
	m := newMesh(t, service("server", "10.96.0.10", "10.88.0.10", both)+service("client", "10.96.0.11", "10.88.0.11", both))
	m.apply("peers", strict)
	// What goes through the proxy goes nowhere.
	m.meshConfig("outboundTrafficPolicy: {mode: REGISTRY_ONLY}")
	server, client := m.newPod("server", "10.88.0.10"), m.newPod("client", "10.88.0.11")
	near, far := m.newPod("near", "10.88.0.12"), m.newPod("far", "10.88.0.13")
	server.rules = []string{"-i", "*", "-x", "", "-b", "*", "-d", "15090,15021,15020,8082"}
	client.rules = []string{"-i", "*", "-x", "10.88.0.12/32", "-b", "*", "-d", "15090,15021,15020", "-o", "9999"}
	server.inject()
	client.inject()
	server.serveHTTP(8080)
	server.serveHTTP(8082)
	near.serveHTTP(8888)
	far.serveHTTP(8888)
	far.serveHTTP(9999)
	server.ready()
	client.ready()
	m.expect("an address that is not excluded", "error:", func() string { return client.get("10.88.0.13:8888", "far:8888") })
	m.expect("a range that is", "200 near", func() string { return client.get("10.88.0.12:8888", "near:8888") })
	m.expect("a port that is", "200 far", func() string { return client.get("10.88.0.13:9999", "far:9999") })
	m.expect("an inbound port that is not", "error:", func() string { return far.get("10.88.0.10:8080", "server") })
	m.expect("an inbound port that is", "200 server HTTP/1.1 server:8082 from 10.88.0.13", func() string { return far.get("10.88.0.10:8082", "server:8082") })
	m.expect("through both proxies", "200 server HTTP/1.1 server from 127.0.0.6", func() string { return client.get("10.96.0.10:80", "server") })
}

const probers = `{"/app-health/app/readyz":{"httpGet":{"path":"/","port":8080}},"/app-health/app/livez":{"tcpSocket":{"port":3306}},` +
	`"/app-health/app/startupz":{"httpGet":{"path":"/","port":8099}}}`

// TestProbes has a kubelet, which is of no mesh, ask for the application's health where only mutual TLS is let in.
func TestProbes(t *testing.T) {
	m := newMesh(t, service("server", "10.96.0.10", "10.88.0.10", both))
	m.apply("peers", strict)
	server := m.newPod("server", "10.88.0.10")
	server.env = []string{"ISTIO_KUBE_APP_PROBERS=" + probers}
	server.inject()
	server.serveHTTP(8080)
	server.serveTCP(3306, "")
	server.ready()
	kubelet := func(path string) func() string {
		return func() string { return fetch(http.DefaultClient, "http://10.88.0.10"+path) }
	}
	m.expect("the application itself", "error:", kubelet(":8080/"))
	m.expect("readiness", "200", kubelet(":15020/app-health/app/readyz"))
	m.expect("liveness", "200", kubelet(":15020/app-health/app/livez"))
	m.expect("an application that is not there", "500", kubelet(":15020/app-health/app/startupz"))
	m.expect("a probe that the pod does not have", "400", kubelet(":15020/app-health/other/readyz"))
	m.expect("metrics", "200", kubelet(":15020/stats/prometheus"))
	if got := kubelet(":15020/config_dump")(); !strings.HasPrefix(got, "404") {
		t.Errorf("the status port has other pages: %q", got)
	}
}

// headless is a Service without an address. What it selects are pods: Istio does not look at a WorkloadEntry again once it knows the Service.
const headless = `apiVersion: v1
kind: Service
metadata: {name: server, namespace: default}
spec:
  clusterIP: None
  selector: {app: server}
  ports: [{name: http, port: 8080, targetPort: 8080}, {name: tcp, port: 3306, targetPort: 3306}]
---
apiVersion: v1
kind: Pod
metadata: {name: server, namespace: default, labels: {app: server, security.istio.io/tlsMode: istio}}
spec:
  serviceAccountName: server
  containers: [{name: app, image: app}]
status:
  phase: Running
  podIP: 10.88.0.10
  podIPs: [{ip: 10.88.0.10}]
  conditions: [{type: Ready, status: "True"}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: server-1, namespace: default, labels: {kubernetes.io/service-name: server}}
addressType: IPv4
endpoints: [{addresses: [10.88.0.10], conditions: {ready: true}, targetRef: {kind: Pod, name: server, namespace: default}}]
ports: [{name: http, port: 8080}, {name: tcp, port: 3306}]
---
`

// TestAddresses goes to the addresses of workloads instead of a service's.
func TestAddresses(t *testing.T) {
	m := newMesh(t, headless+service("addressed", "10.96.0.14", "10.88.0.14", both)+service("client", "10.96.0.11", "10.88.0.11", both))
	m.apply("peers", strict)
	server, client, addressed := m.newPod("server", "10.88.0.10").inject(), m.newPod("client", "10.88.0.11").inject(), m.newPod("addressed", "10.88.0.14").inject()
	server.serveHTTP(8080)
	server.serveTCP(3306, "5.7.0\n")
	addressed.serveHTTP(8080)
	client.serveHTTP(8080)
	for _, p := range []*pod{server, client, addressed} {
		p.ready()
	}
	m.expect("headless: HTTP", "200 server HTTP/1.1 server:8080 from 127.0.0.6", func() string { return client.get("10.88.0.10:8080", "server:8080") })
	m.expect("headless: TCP", "5.7.0\nserver hello", func() string { return client.say("10.88.0.10:3306", "hello") })
	// As with Envoy: nobody knows the address, so that it gets plain text.
	m.expect("a pod's own address, STRICT", "50", func() string { return client.get("10.88.0.14:8080", "10.88.0.14:8080") })
	m.apply("peers", peerAuthentication("PERMISSIVE"))
	m.expect("a pod's own address, PERMISSIVE", "200 addressed", func() string { return client.get("10.88.0.14:8080", "10.88.0.14:8080") })
	m.expect("oneself", "200 client", func() string { return client.get("10.96.0.11:80", "client") })
}
