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
	"testing"
)

const dualStack = `apiVersion: v1
kind: Service
metadata: {name: server, namespace: default}
spec:
  clusterIP: 10.96.0.10
  clusterIPs: [10.96.0.10, "fd00:96::10"]
  ipFamilies: [IPv4, IPv6]
  ipFamilyPolicy: RequireDualStack
  selector: {app: server}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: tcp, port: 3306, targetPort: 3306}, {name: auto, port: 9000, targetPort: 9000}]
---
apiVersion: v1
kind: Service
metadata: {name: six, namespace: default}
spec:
  clusterIP: "fd00:96::16"
  clusterIPs: ["fd00:96::16"]
  ipFamilies: [IPv6]
  selector: {app: six}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: tcp, port: 3306, targetPort: 3306}, {name: auto, port: 9000, targetPort: 9000}]
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: server, namespace: default}
spec:
  address: 10.88.0.10
  labels: {app: server, security.istio.io/tlsMode: istio}
  serviceAccount: server
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: six, namespace: default}
spec:
  address: "fd00:88::10"
  labels: {app: six, security.istio.io/tlsMode: istio}
  serviceAccount: server
---
`

// TestIPv6 gives pods and services addresses of both families.
func TestIPv6(t *testing.T) {
	m := newMeshOf(t, nil, dualStack+service("client", "10.96.0.11", "10.88.0.11", both), "ISTIO_DUAL_STACK=true")
	m.apply("peers", strict)
	server := m.newPod("server", "10.88.0.10").addIPv6("fd00:88::10").inject()
	client := m.newPod("client", "10.88.0.11").addIPv6("fd00:88::11").inject()
	outside := m.newPod("outside", "10.88.0.12").addIPv6("fd00:88::12")
	server.serveHTTP(8080)
	server.serveTCP(3306, "5.7.0\n")
	server.serveHTTP(9000)
	outside.serveHTTP(8888)
	server.ready()
	client.ready()

	for _, tt := range []struct{ name, address, host string }{
		{"IPv4 of a service with both", "10.96.0.10", "server"},
		{"IPv6 of a service with both", "[fd00:96::10]", "server"},
		{"a service of IPv6 only", "[fd00:96::16]", "six"},
	} {
		m.expect(tt.name+": HTTP", "200 server HTTP/1.1 "+tt.host, func() string { return client.get(tt.address+":80", tt.host) })
		m.expect(tt.name+": TCP", "5.7.0\nserver hello", func() string { return client.say(tt.address+":3306", "hello") })
		m.expect(tt.name+": a port that says nothing", "200 server", func() string { return client.get(tt.address+":9000", tt.host+":9000") })
	}
	m.expect("to the outside", "200 outside HTTP/1.1 outside:8888 from fd00:88::11", func() string { return client.get("[fd00:88::12]:8888", "outside:8888") })
	m.expect("from the outside in plain text", "error:", func() string { return outside.get("[fd00:88::10]:8080", "server") })
	m.expect("readiness over IPv6", "200 ready", func() string { return fetch(http.DefaultClient, "http://[fd00:88::10]:15021/healthz/ready") })
	m.apply("peers", peerAuthentication("PERMISSIVE"))
	m.expect("from the outside, where plain text is allowed", "200 server HTTP/1.1 server from ::6", func() string { return outside.get("[fd00:88::10]:8080", "server") })

	m.apply("authorization", `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: server, namespace: default}
spec:
  selector: {matchLabels: {app: server}}
  action: DENY
  rules:
  - to: [{operation: {ports: ["8080"]}}]
    when: [{key: destination.ip, values: ["fd00:88::10"]}, {key: source.ip, values: ["fd00:88::12"]}]
`)
	m.expect("a port that is denied", "403 RBAC: access denied", func() string { return outside.get("[fd00:88::10]:8080", "server") })
	m.expect("another port", "200 server", func() string { return outside.get("[fd00:88::10]:9000", "server:9000") })
	m.expect("another address", "200 server", func() string { return outside.get("10.88.0.10:8080", "server") })
}
