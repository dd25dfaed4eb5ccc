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

package agent_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/miekg/dns"
	"google.golang.org/protobuf/types/known/anypb"

	dnsproto "istio.io/istio/pkg/dns/proto"
	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/config"
	agentdns "github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/dns"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/agent/standin"
)

// TestQuit: a Job's container ends its sidecar.
func TestQuit(t *testing.T) {
	mesh := standin.NewMesh(standin.Resource("upstreams", "u", upstream))
	istiod := standin.Start(t, mesh.Serve)
	environment(t, istiod.Address)
	s := start(t, t.TempDir(), "127.0.0.1:0", nil)
	s.awaitReady()
	for _, path := range []string{"/drain", "/quitquitquit"} {
		response, err := http.Post("http://"+s.Addresses().Status.String()+path, "", nil)
		assert.NoError(t, err)
		assert.NoError(t, response.Body.Close())
		assert.Equal(t, response.StatusCode, http.StatusOK)
	}
	select {
	case err := <-s.done:
		s.done = nil
		assert.NoError(t, err)
	case <-time.After(30 * time.Second):
		t.Fatal("the agent does not end")
	}
}

// TestDNS is the way from istiod's name table to an answer, and over a restart without istiod.
func TestDNS(t *testing.T) {
	body, err := anypb.New(&dnsproto.NameTable{Table: map[string]*dnsproto.NameTable_NameInfo{
		"reviews.bookinfo.svc.cluster.local": {Ips: []string{"10.0.0.7"}, Registry: "Kubernetes", Shortname: "reviews", Namespace: "bookinfo"},
	}})
	assert.NoError(t, err)
	mesh := standin.NewMesh(standin.Resource("upstreams", "u", upstream))
	istiod := standin.Start(t, mesh.Serve)
	environment(t, istiod.Address)
	t.Setenv("ISTIO_META_DNS_CAPTURE", "true")
	address := standin.FreeAddress(t)
	t.Setenv("DNS_PROXY_ADDR", address)
	dir := t.TempDir()
	s := start(t, dir, "127.0.0.1:0", nil)
	// Without names the application would not find anybody.
	await(t, func() bool { return s.Status().Serving })
	code, reason := s.get(s.Addresses().Readiness, "/healthz/ready")
	assert.Equal(t, code, http.StatusServiceUnavailable)
	if !strings.Contains(reason, "name table") {
		t.Errorf("not ready because of %q", reason)
	}
	code, _ = s.get(s.Addresses().Status, "/debug/ndsz")
	assert.Equal(t, code, http.StatusNotFound)

	resolves := func() bool {
		m := new(dns.Msg)
		m.SetQuestion("reviews.", dns.TypeA)
		answer, err := dns.Exchange(m, address)
		return err == nil && len(answer.Answer) == 1 && strings.HasSuffix(answer.Answer[0].String(), "\t10.0.0.7")
	}
	mesh.SetWhole(agentdns.TypeURL, &discovery.Resource{Resource: body})
	s.awaitReady()
	await(t, resolves)
	_, shown := s.get(s.Addresses().Status, "/debug/ndsz")
	if !strings.Contains(shown, "reviews.bookinfo.svc.cluster.local") {
		t.Errorf("the table is not shown: %s", shown)
	}

	// A bad table is refused, the good one stays.
	mesh.SetWhole(agentdns.TypeURL, &discovery.Resource{Resource: &anypb.Any{TypeUrl: agentdns.TypeURL, Value: []byte("\xff")}})
	mesh.Await(t, "NACK", func(requests []*discovery.DeltaDiscoveryRequest) bool {
		return slices.ContainsFunc(requests, func(r *discovery.DeltaDiscoveryRequest) bool {
			return r.GetTypeUrl() == agentdns.TypeURL && strings.Contains(r.GetErrorDetail().GetMessage(), "not a name table")
		})
	})
	assert.Equal(t, resolves(), true)

	istiod.Stop()
	s.end()
	s = start(t, dir, "127.0.0.1:0", nil)
	s.awaitReady()
	await(t, resolves)
}

func TestMistakesOfInjectionAreNamed(t *testing.T) {
	for _, variable := range []string{"ISTIO_KUBE_APP_PROBERS", "ISTIO_PROMETHEUS_ANNOTATIONS"} {
		t.Run(variable, func(t *testing.T) {
			environment(t, "127.0.0.1:1")
			t.Setenv(variable, "{")
			cfg, err := config.New(config.Args{
				Plaintext: true, GatewayAddress: "127.0.0.1:0", DataDir: t.TempDir(),
				ReadinessAddress: "127.0.0.1:0", StatusAddress: "127.0.0.1:0", AdminAddress: "127.0.0.1:0",
			})
			assert.NoError(t, err)
			_, err = agent.New(cfg)
			if err == nil || !strings.Contains(err.Error(), variable) {
				t.Errorf("error %v does not name %s", err, variable)
			}
		})
	}
}
