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
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const ingressAddress = "10.88.0.20"

// TestGateway has clients outside of the mesh come to a gateway, and through it to a workload that takes nothing but mutual TLS.
func TestGateway(t *testing.T) {
	ca, clients := newAuthority(t, "shop"), newAuthority(t, "clients")
	m := newMesh(t, service("server", "10.96.0.10", "10.88.0.10", serverPorts+", {name: tls-raw, port: 8444, targetPort: 8444}"))
	m.apply("peers", strict)
	m.apply("secrets", credential(t, ca, "shop-cert", "shop.test", nil)+credential(t, ca, "mutual-cert", "mutual.test", clients.root))
	m.apply("ended", credential(t, ca, "ended-cert", "ended.test", nil))
	m.apply("gateway", gatewayOf("web",
		`{port: {number: 8080, name: http, protocol: HTTP}, hosts: ["plain.test"]}`,
		`{port: {number: 8080, name: http-secure, protocol: HTTP}, hosts: ["secure.test"], tls: {httpsRedirect: true}}`,
		`{port: {number: 8443, name: https, protocol: HTTPS}, hosts: ["shop.test"], tls: {mode: SIMPLE, credentialName: shop-cert}}`,
		`{port: {number: 8443, name: https-mutual, protocol: HTTPS}, hosts: ["mutual.test"], tls: {mode: MUTUAL, credentialName: mutual-cert}}`,
		`{port: {number: 9443, name: tls, protocol: TLS}, hosts: ["raw.test"], tls: {mode: PASSTHROUGH}}`,
		`{port: {number: 9444, name: tls-ended, protocol: TLS}, hosts: ["ended.test"], tls: {mode: SIMPLE, credentialName: ended-cert}}`,
		`{port: {number: 3306, name: tcp, protocol: TCP}, hosts: ["*"]}`,
	)+routing("ended", "ended.test", "web", "  tcp:\n  - match: [{port: 9444}]\n    route: [{destination: {host: server, port: {number: 3306}}}]")+
		routing("plain", "plain.test", "web", toServer)+routing("secure", "secure.test", "web", toServer)+
		routing("shop", "shop.test", "web", toServer)+routing("mutual", "mutual.test", "web", toServer)+
		routing("raw", "raw.test", "web", "  tls:\n  - match: [{port: 9443, sniHosts: [raw.test]}]\n    route: [{destination: {host: server, port: {number: 8444}}}]")+
		routing("db", "*", "web", "  tcp:\n  - match: [{port: 3306}]\n    route: [{destination: {host: server, port: {number: 3306}}}]"))
	server := m.newPod("server", "10.88.0.10").inject()
	gw := m.newPod("ingress", ingressAddress).gateway()
	outside := m.newPod("outside", "10.88.0.12")
	server.serveHTTP(8080)
	server.serveTCP(3306, "")
	raw := ca.issue(t, time.Now().Add(-time.Minute), time.Hour, "raw.test")
	server.serveTLS(8444, raw)
	server.ready()
	gw.ready()

	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.root)
	trusting := &tls.Config{RootCAs: roots}
	expect := expecting(m)
	expect("HTTP", "200 server HTTP/1.1 plain.test from 127.0.0.6", func() string { return outside.get(ingressAddress+":8080", "plain.test") })
	expect("another host", "404 ", func() string { return outside.get(ingressAddress+":8080", "else.test") })
	expect("httpsRedirect", "301 https://secure.test/", func() string { return outside.redirected(ingressAddress+":8080", "secure.test") })
	expect("HTTPS", "200 server HTTP/1.1 shop.test", func() string { return outside.https(ingressAddress+":8443", "shop.test", trusting) })
	expect("HTTPS for another name", "error:", func() string { return outside.https(ingressAddress+":8443", "else.test", trusting) })
	expect("MUTUAL without a certificate", "error:", func() string { return outside.https(ingressAddress+":8443", "mutual.test", trusting) })
	client := &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{clients.issue(t, time.Now().Add(-time.Minute), time.Hour, "someone.test")}}
	expect("MUTUAL", "200 server HTTP/1.1 mutual.test", func() string { return outside.https(ingressAddress+":8443", "mutual.test", client) })
	expect("PASSTHROUGH", "server hello", func() string { return outside.sayTLS(ingressAddress+":9443", "raw.test", trusting, "hello") })
	expect("PASSTHROUGH for another name", "error:", func() string { return outside.sayTLS(ingressAddress+":9443", "else.test", trusting, "hello") })
	expect("TLS that ends at the gateway", "server hello", func() string { return outside.sayTLS(ingressAddress+":9444", "ended.test", trusting, "hello") })
	expect("TCP", "server hello", func() string { return outside.say(ingressAddress+":3306", "hello") })
	for _, port := range []string{"15001", "15006", "15080"} {
		if got := outside.get(ingressAddress+":"+port, "plain.test"); !strings.HasPrefix(got, "error:") {
			t.Errorf("port %s of a gateway is open: %s", port, got)
		}
	}

	held, err := outside.dial(t.Context(), ingressAddress+":3306")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	before := outside.presented(ingressAddress+":8443", "shop.test")
	m.load = startLoad(outside, ingressAddress+":8080", "plain.test")
	t.Cleanup(m.load.end)
	m.apply("secrets", credential(t, ca, "shop-cert", "shop.test", nil)+credential(t, ca, "mutual-cert", "mutual.test", clients.root))
	m.eventually("the certificate is another one", func() error {
		if got := outside.presented(ingressAddress+":8443", "shop.test"); got == before || strings.HasPrefix(got, "error") {
			return errors.New(got)
		}
		return nil
	})
	m.apply("more", gatewayOf("more",
		`{port: {number: 8081, name: http-more, protocol: HTTP}, hosts: ["more.test"]}`,
		`{port: {number: 6379, name: tcp-more, protocol: TCP}, hosts: ["*"]}`,
	)+routing("more", "more.test", "more", toServer))
	expect("a port that is added", "200 server HTTP/1.1 more.test", func() string { return outside.get(ingressAddress+":8081", "more.test") })
	m.remove("more")
	expect("a port that is removed", "error:", func() string { return outside.get(ingressAddress+":8081", "more.test") })
	if got := converse(held, "hello"); got != "server hello" {
		t.Errorf("a connection from before: %s", got)
	}
	m.load.well(t)
	if m.load.soFar() < 100 {
		t.Errorf("only %d requests", m.load.soFar())
	}
}

// TestGatewayPorts has ports that cannot be opened: they are told, the others are open, and they are opened as soon as they can be.
func TestGatewayPorts(t *testing.T) {
	m := newMesh(t, service("server", "10.96.0.10", "10.88.0.10", serverPorts))
	server := m.newPod("server", "10.88.0.10").inject()
	gw := m.newPod("ingress", ingressAddress)
	outside := m.newPod("outside", "10.88.0.12")
	server.serveHTTP(8080)
	taken := gw.listen(7777)
	m.apply("gateway", gatewayOf("web",
		`{port: {number: 8080, name: http, protocol: HTTP}, hosts: ["*"]}`,
		`{port: {number: 80, name: http-low, protocol: HTTP}, hosts: ["*"]}`,
		`{port: {number: 7777, name: http-taken, protocol: HTTP}, hosts: ["*"]}`,
		`{port: {number: 15021, name: http-agent, protocol: HTTP}, hosts: ["*"]}`,
	)+routing("web", "*", "web", toServer))
	gw.gateway()
	server.ready()
	gw.ready()
	expect := expecting(m)
	expect("the port that can be opened", "200 ", func() string { return outside.get(ingressAddress+":8080", "any.test") })
	m.eventually("the others are told", func() error {
		open, refused, err := gw.ports()
		if err != nil {
			return err
		}
		if len(open) != 1 || !strings.Contains(refused["0.0.0.0:80"], "ip_unprivileged_port_start") ||
			!strings.Contains(refused["0.0.0.0:7777"], "in use") || !strings.Contains(refused["0.0.0.0:15021"], "in use") {
			return fmt.Errorf("open %v, refused %v", open, refused)
		}
		return nil
	})
	m.eventually("istiod is told", func() error {
		got := gw.rejected()
		if !strings.Contains(got, "plugin_metadata/mesh-listeners") || !strings.Contains(got, "0.0.0.0:7777") {
			return errors.New(got)
		}
		return nil
	})

	m.load = startLoad(outside, ingressAddress+":8080", "any.test")
	t.Cleanup(m.load.end)
	_ = taken.Close()
	run(t, "ip", "netns", "exec", gw.netns, "sysctl", "-q", "-w", "net.ipv4.ip_unprivileged_port_start=0")
	expect("a port that is free again", "200 ", func() string { return outside.get(ingressAddress+":7777", "any.test") })
	expect("a port that is allowed by now", "200 ", func() string { return outside.get(ingressAddress+":80", "any.test") })
	m.eventually("istiod is told that two of the ports are open", func() error {
		got := gw.rejected()
		if strings.Contains(got, ":7777") || !strings.Contains(got, "0.0.0.0:15021") {
			return errors.New(got)
		}
		return nil
	})
	m.load.well(t)

	// The agent is killed: its APISIX goes on, and the next agent takes it over.
	for _, pid := range gw.processes("pilot-agent proxy") {
		_ = exec.Command("kill", "-KILL", fmt.Sprint(pid)).Run()
	}
	<-gw.agent.ended
	gw.startAgent()
	gw.ready()
	m.apply("more", gatewayOf("more", `{port: {number: 8082, name: http-more, protocol: HTTP}, hosts: ["*"]}`)+routing("more", "*", "more", toServer))
	expect("a port of the next agent", "200 ", func() string { return outside.get(ingressAddress+":8082", "any.test") })
	m.load.well(t)
}

// TestGatewayAPI has a Gateway of the Gateway API, whose ports are those of a Service with others behind it.
func TestGatewayAPI(t *testing.T) {
	ca := newAuthority(t, "shop")
	m := newMesh(t, service("server", "10.96.0.10", "10.88.0.10", serverPorts)+
		gatewayService("ingress", "10.96.0.20", ingressAddress, "{name: http, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}")+
		credential(t, ca, "shop-cert", "shop.test", nil)+`apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: istio}
spec: {controllerName: istio.io/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: default}
spec:
  gatewayClassName: istio
  addresses: [{type: Hostname, value: ingress.default.svc.cluster.local}]
  listeners:
  - {name: http, port: 80, protocol: HTTP, hostname: plain.test}
  - name: https
    port: 443
    protocol: HTTPS
    hostname: shop.test
    tls: {mode: Terminate, certificateRefs: [{name: shop-cert}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: default}
spec:
  parentRefs: [{name: web}]
  hostnames: [plain.test, shop.test]
  rules:
  - backendRefs: [{name: server, port: 80}]
`)
	m.apply("peers", strict)
	server := m.newPod("server", "10.88.0.10").inject()
	gw := m.newPod("ingress", ingressAddress).gateway()
	outside := m.newPod("outside", "10.88.0.12")
	server.serveHTTP(8080)
	server.ready()
	gw.ready()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.root)
	expect := expecting(m)
	expect("HTTP", "200 server HTTP/1.1 plain.test", func() string { return outside.get(ingressAddress+":8080", "plain.test") })
	expect("HTTPS", "200 server HTTP/1.1 shop.test", func() string { return outside.https(ingressAddress+":8443", "shop.test", &tls.Config{RootCAs: roots}) })
	expect("another host", "404 ", func() string { return outside.get(ingressAddress+":8080", "else.test") })
}

// TestEgressGateway sends what a workload wants of the outside through a gateway.
func TestEgressGateway(t *testing.T) {
	m := newMesh(t, service("client", "10.96.0.11", "10.88.0.11", "{name: http, port: 80, targetPort: 8080}")+
		gatewayService("egress", "10.96.0.21", "10.88.0.21", "{name: http, port: 80, targetPort: 8080}")+`apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outside, namespace: default}
spec:
  hosts: [outside.test]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{name: http, number: 80, protocol: HTTP, targetPort: 8888}]
  endpoints: [{address: 10.88.0.12}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: egress, namespace: default}
spec:
  selector: {istio: egress}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: [outside.test]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: outside, namespace: default}
spec:
  hosts: [outside.test]
  gateways: [mesh, egress]
  http:
  - match: [{gateways: [mesh], port: 80}]
    route: [{destination: {host: egress.default.svc.cluster.local, port: {number: 80}}}]
  - match: [{gateways: [egress], port: 80}]
    route: [{destination: {host: outside.test, port: {number: 80}}}]
`)
	client := m.newPod("client", "10.88.0.11").inject()
	gw := m.newPod("egress", "10.88.0.21").gateway()
	outside := m.newPod("outside", "10.88.0.12")
	outside.serveHTTP(8888)
	client.ready()
	gw.ready()
	// Who asks is the gateway.
	expecting(m)("the outside, by way of the gateway", "200 outside HTTP/1.1 outside.test from 10.88.0.21", func() string {
		return client.get("10.99.0.1:80", "outside.test")
	})
}

// TestEgressMutual secures the way to such a gateway, as Istio's examples have it: with the server name of the outside.
func TestEgressMutual(t *testing.T) {
	const outsideRoutes = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outside, namespace: default}
spec:
  hosts: [outside.test]
  addresses: [10.99.0.1]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{name: http, number: 80, protocol: HTTP, targetPort: 8888}, {name: tcp, number: 3306, protocol: TCP}]
  endpoints: [{address: 10.88.0.12}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: egress, namespace: default}
spec:
  selector: {istio: egress}
  servers:
  - {port: {number: 443, name: https, protocol: HTTPS}, hosts: [outside.test], tls: {mode: ISTIO_MUTUAL}}
  - {port: {number: 3306, name: tls, protocol: TLS}, hosts: [outside.test], tls: {mode: ISTIO_MUTUAL}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: egress, namespace: default}
spec:
  host: egress.default.svc.cluster.local
  subsets:
  - {name: outside, trafficPolicy: {tls: {mode: ISTIO_MUTUAL, sni: outside.test}}}
  - {name: stranger, trafficPolicy: {tls: {mode: ISTIO_MUTUAL, sni: outside.test, subjectAltNames: ["spiffe://cluster.local/ns/default/sa/else"]}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: outside, namespace: default}
spec:
  hosts: [outside.test]
  gateways: [mesh, egress]
  http:
  - match: [{gateways: [mesh], port: 80, uri: {prefix: /stranger}}]
    route: [{destination: {host: egress.default.svc.cluster.local, subset: stranger, port: {number: 443}}}]
  - match: [{gateways: [mesh], port: 80}]
    route: [{destination: {host: egress.default.svc.cluster.local, subset: outside, port: {number: 443}}}]
  - match: [{gateways: [egress], port: 443}]
    route: [{destination: {host: outside.test, port: {number: 80}}}]
  tcp:
  - match: [{gateways: [mesh], port: 3306}]
    route: [{destination: {host: egress.default.svc.cluster.local, subset: outside, port: {number: 3306}}}]
  - match: [{gateways: [egress], port: 3306}]
    route: [{destination: {host: outside.test, port: {number: 3306}}}]
---
`
	m := newMesh(t, service("client", "10.96.0.11", "10.88.0.11", "{name: http, port: 80, targetPort: 8080}")+
		strings.Replace(gatewayService("egress", "10.96.0.21", "10.88.0.21", "{name: https, port: 443, targetPort: 8443}, {name: tls, port: 3306, targetPort: 3306}"),
			"  address: 10.88.0.21\n", "  address: 10.88.0.21\n  serviceAccount: egress\n", 1)+outsideRoutes)
	client := m.newPod("client", "10.88.0.11").inject()
	gw := m.newPod("egress", "10.88.0.21")
	gw.account = "egress"
	gw.gateway()
	outside := m.newPod("outside", "10.88.0.12")
	outside.serveHTTP(8888)
	outside.serveTCP(3306, "")
	client.ready()
	gw.ready()
	expect := expecting(m)
	expect("HTTP", "200 outside HTTP/1.1 outside.test from 10.88.0.21", func() string { return client.get("10.99.0.1:80", "outside.test") })
	expect("TCP", "outside hello", func() string { return client.say("10.99.0.1:3306", "hello") })
	expect("a gateway that is not who it must be", "502", func() string { return fetch(client.client("10.99.0.1:80"), "http://outside.test/stranger") })
	anybody := &tls.Config{InsecureSkipVerify: true}
	expect("nobody of the mesh", "error:", func() string { return outside.https("10.88.0.21:8443", "outside.test", anybody) })
	expect("nobody of the mesh, TCP", "error:", func() string { return outside.sayTLS("10.88.0.21:3306", "outside.test", anybody, "hello") })
}
