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
	"testing"
)

// TestOutside goes to destinations that the mesh does not know, where that is allowed and where it is not.
func TestOutside(t *testing.T) {
	m := newMesh(t, service("client", "10.96.0.11", "10.88.0.11", both)+`apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: known, namespace: default}
spec:
  hosts: [known.example.com]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{name: http, number: 8888, protocol: HTTP}]
  endpoints: [{address: 10.88.0.12}]
`)
	client, outside := m.newPod("client", "10.88.0.11").inject(), m.newPod("outside", "10.88.0.12")
	outside.serveHTTP(8888)
	outside.serveHTTP(8889)
	outside.serveTCP(3306, "5.7.0\n")
	outside.serveTCP(5432, "")
	client.ready()

	http := func() string { return client.get("10.88.0.12:8889", "outside:8889") }
	unknownHost := func() string { return client.get("10.88.0.12:8888", "other.example.com:8888") }
	known := func() string { return client.get("10.88.0.12:8888", "known.example.com:8888") }
	greeting := func() string { return client.say("10.88.0.12:3306", "hello") }
	tcp := func() string { return client.say("10.88.0.12:5432", "hello") }
	m.expect("ALLOW_ANY: HTTP", "200 outside", http)
	m.expect("ALLOW_ANY: an unknown host of a known port", "200 outside", unknownHost)
	m.expect("ALLOW_ANY: a known host", "200 outside", known)
	m.expect("ALLOW_ANY: TCP", "outside hello", tcp)
	// The port says nothing, so that the client's first bytes are waited for as long as Istio does, which is for ever by default.
	m.meshConfig("protocolDetectionTimeout: 0.1s")
	m.expect("ALLOW_ANY: a server that speaks first", "5.7.0\noutside hello", greeting)
	m.meshConfig("outboundTrafficPolicy: {mode: REGISTRY_ONLY}\nprotocolDetectionTimeout: 0.1s")
	m.expect("REGISTRY_ONLY: an unknown host of a known port", "502", unknownHost)
	m.expect("REGISTRY_ONLY: HTTP", "error:", http)
	m.expect("REGISTRY_ONLY: TCP", "error:", tcp)
	if got := greeting(); got != "" && got[:6] != "error:" {
		t.Errorf("REGISTRY_ONLY: a server that speaks first: %q", got)
	}
	m.expect("REGISTRY_ONLY: a known host", "200 outside", known)
	m.meshConfig("outboundTrafficPolicy: {mode: ALLOW_ANY}")
	m.expect("ALLOW_ANY again: HTTP", "200 outside", http)
}
