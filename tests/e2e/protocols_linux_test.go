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
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// service is a Service of Kubernetes and the one workload behind it, with a sidecar.
func service(name, clusterIP, podIP, ports string) string {
	return serviceOf("app", "istio", name, clusterIP, podIP, ports) + "  serviceAccount: " + name + "\n---\n"
}

// serviceOf is a Service and its one workload, known by a label with the name, without the account of the workload.
func serviceOf(label, tlsMode, name, clusterIP, podIP, ports string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Service
metadata: {name: %[1]s, namespace: default}
spec:
  clusterIP: %[2]s
  selector: {%[5]s: %[1]s}
  ports: [%[4]s]
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: %[1]s, namespace: default}
spec:
  address: %[3]s
  labels: {%[5]s: %[1]s, security.istio.io/tlsMode: %[6]s}
`, name, clusterIP, podIP, ports, label, tlsMode)
}

const serverPorts = "{name: http-web, port: 80, targetPort: 8080}, {name: grpc-api, port: 81, targetPort: 8081}, {name: tcp-db, port: 3306, targetPort: 3306}," +
	" {name: auto, port: 9000, targetPort: 9000}, {name: http2-web, port: 82, targetPort: 8082}"

const strict = `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: default}
spec:
  mtls: {mode: STRICT}
`

// TestProtocols sends every kind of traffic from one pod to another.
func TestProtocols(t *testing.T) {
	m := newMesh(t, service("server", "10.96.0.10", "10.88.0.10", serverPorts)+service("client", "10.96.0.11", "10.88.0.11", "{name: http, port: 80, targetPort: 8080}"))
	m.apply("peers", strict)
	server := m.newPod("server", "10.88.0.10").inject()
	client := m.newPod("client", "10.88.0.11").inject()
	outside := m.newPod("outside", "10.88.0.12")
	server.serveHTTP(8080)
	server.serveTCP(3306, "5.7.0\n")
	server.serveHTTP(9000)
	server.serveHTTP(8082)
	outside.serveHTTP(8888)
	server.ready()
	client.ready()

	expect := m.expect
	expect("HTTP over mutual TLS", "200 server HTTP/1.1 server from 127.0.0.6", func() string { return client.get("10.96.0.10:80", "server") })
	expect("a database that speaks first", "5.7.0\nserver hello", func() string { return client.say("10.96.0.10:3306", "hello") })
	expect("HTTP on a port that says nothing", "200 server HTTP/1.1", func() string { return client.get("10.96.0.10:9000", "server:9000") })
	expect("HTTP/2 without TLS", "200 server HTTP/2.0 server:82", func() string {
		h2 := client.client("10.96.0.10:82")
		p := h2.Transport.(*http.Transport).Protocols
		p.SetHTTP1(false)
		p.SetUnencryptedHTTP2(true)
		return fetch(h2, "http://server:82/")
	})
	expect("a WebSocket", "HTTP/1.1 101 Switching Protocols echo", func() string { return client.webSocket("10.96.0.10:80", "server") })
	expect("to the outside", "200 outside HTTP/1.1", func() string { return client.get("10.88.0.12:8888", "outside:8888") })
	expect("from the outside in plain text", "error:", func() string { return outside.get("10.88.0.10:8080", "server") })
}

// webSocket is the answer to the handshake, and an error unless both sides can speak at any time afterwards.
func (p *pod) webSocket(address, host string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := p.dial(ctx, address)
	if err != nil {
		return "error: " + err.Error()
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n", host); err != nil {
		return "error: " + err.Error()
	}
	r := bufio.NewReader(c)
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		return "error: " + err.Error()
	}
	defer response.Body.Close()
	for i := range 5 {
		text := fmt.Sprintf("frame %d\n", i)
		if _, err := io.WriteString(c, text); err != nil {
			return "error: " + err.Error()
		}
		if got, err := r.ReadString('\n'); got != text {
			return fmt.Sprintf("error: %q came back, %v", got, err)
		}
	}
	return response.Proto + " " + response.Status + " " + strings.ToLower(response.Header.Get("Upgrade"))
}
