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
	"errors"
	"fmt"
	"strings"
	"testing"
)

// authorizationPolicy is one for the server, with its action and rules.
func authorizationPolicy(name, spec string) string {
	return fmt.Sprintf(`apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: %s, namespace: default}
spec:
  selector: {matchLabels: {app: server}}
%s
---
`, name, spec)
}

// TestAuthorization has two workloads, and somebody without a sidecar, come to one that has policies of who may.
func TestAuthorization(t *testing.T) {
	m := newMesh(t, service("server", "10.96.0.10", "10.88.0.10", serverPorts)+
		service("reader", "10.96.0.11", "10.88.0.11", "{name: http, port: 80, targetPort: 8080}")+
		service("other", "10.96.0.12", "10.88.0.12", "{name: http, port: 80, targetPort: 8080}"))
	server := m.newPod("server", "10.88.0.10").inject()
	reader := m.newPod("reader", "10.88.0.11").inject()
	other := m.newPod("other", "10.88.0.12").inject()
	outside := m.newPod("outside", "10.88.0.13")
	server.serveHTTP(8080)
	server.serveTCP(3306, "")
	server.serveHTTP(9000)
	for _, p := range []*pod{server, reader, other} {
		p.ready()
	}
	request := func(p *pod, address, path string) func() string {
		client := p.client(address)
		return func() string { return fetch(client, "http://server"+path) }
	}
	line := func(p *pod, address string) func() string { return func() string { return p.say(address, "hello") } }
	const yes, no, http, db, auto = "200 server", "403 RBAC: access denied", "10.96.0.10:80", "10.96.0.10:3306", "10.96.0.10:9000"
	expect := func(what, want string, f func() string) {
		t.Helper()
		m.eventually(what, func() error {
			got := f()
			// A connection that is refused is closed without a word.
			if want == "" && got != "" && !strings.HasPrefix(got, "error:") || !strings.HasPrefix(got, want) {
				return errors.New(got)
			}
			return nil
		})
	}
	// Connections stay open while policies change.
	readers, others, outsiders := request(reader, http, "/"), request(other, http, "/"), request(outside, "10.88.0.10:8080", "/")
	for what, f := range map[string]func() string{"reader": readers, "other": others, "outside": outsiders} {
		expect("without a policy: "+what, yes, f)
	}
	m.apply("policies", authorizationPolicy("readers", `
  rules:
  - from: [{source: {principals: [cluster.local/ns/default/sa/reader]}}]
    to: [{operation: {ports: ["8080", "3306"]}}]
  - to: [{operation: {ports: ["9000"], paths: ["/open/*"]}}]`)+authorizationPolicy("admin", `
  action: DENY
  rules:
  - to: [{operation: {paths: ["/admin*"]}}]
    from: [{source: {notPrincipals: ["*/sa/nobody"]}}]`))
	expect("a reader", yes, readers)
	expect("another", no, others)
	expect("somebody without a sidecar", no, outsiders)
	expect("a reader where nobody may go", no, request(reader, http, "/admin/x"))
	expect("a reader where nobody may go, by another way", no, request(reader, http, "/x/%2e%2e/%61dmin"))
	expect("TCP of a reader", "", line(reader, db))
	expect("TCP of another", "", line(other, db))
	expect("TCP of somebody without a sidecar", "", line(outside, "10.88.0.10:3306"))
	expect("another, where everybody may", yes, request(other, auto, "/open/x"))
	expect("another, where everybody may but there", no, request(other, auto, "/closed"))
	// What denies leaves out, of connections, what only requests have.
	m.apply("policies", authorizationPolicy("readers", `
  rules:
  - from: [{source: {namespaces: [default], notPrincipals: ["*/sa/other"]}}]`))
	expect("TCP of a reader who is not denied", "server hello", line(reader, db))
	expect("TCP of another who is not allowed", "", line(other, db))
	expect("a reader by the namespace", yes, readers)
	expect("another by the namespace", no, others)
	m.apply("policies", authorizationPolicy("nobody", ""))
	expect("a reader where nobody is let in", no, readers)
	m.apply("policies", peerAuthentication("PERMISSIVE"))
	for what, f := range map[string]func() string{"reader": readers, "other": others, "outside": outsiders} {
		expect("without a policy again: "+what, yes, f)
	}
	expect("TCP of another without a policy again", "server hello", line(other, db))
}
