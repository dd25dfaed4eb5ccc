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

package differential

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	meshconfig "istio.io/api/mesh/v1alpha1"
	networking "istio.io/api/networking/v1alpha3"
	security "istio.io/api/security/v1beta1"
	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/mesh"
	"istio.io/istio/pkg/config/schema/gvk"
	"istio.io/istio/pkg/test/util/assert"

	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix/simulate"
)

// defaultPolicySets and defaultPolicyCalls make the 100,000 decisions of a plain `go test`.
const (
	defaultPolicySets  = 250
	defaultPolicyCalls = 400
)

// The ports of the workload that policies are played on.
const (
	rbacHTTP = 8080
	rbacGRPC = 8081
	rbacTCP  = 9090
)

// rbacCall is a request, or a connection, to the workload. Its JSON is what the Lua reads.
type rbacCall struct {
	TCP    bool `json:"tcp"`
	Port   int  `json:"port"`
	Dest   string
	Method string
	Host   string
	Path   string
	// Headers are names and values, in the order in which they are sent.
	Headers [][2]string
	// Peer is a SPIFFE id; empty for plain text.
	Peer   string
	Source string
	SNI    string
}

// rbacScenario is a set of policies, and calls to the workload that they select.
type rbacScenario struct {
	*scenario
	from  string
	calls []rbacCall
	// made of it.
	sides *sides
	want  []rbacDecision
	plain []rbacDecision
}

// rbacDecision is what becomes of a call.
type rbacDecision struct {
	allowed bool
	// path is what is forwarded when it is not what was sent.
	path string
	why  string
}

// TestAuthorization plays requests and connections against AuthorizationPolicies: those of Istio's own tests, and random ones. What the
// filters decide that istiod makes for Envoy, read by a plain evaluator of them, is compared with what our plugin decides, played by the
// simulator and by the plugin's own Lua on LuaJIT. Ours may never let in what Envoy does not. What it refuses beyond must have been told.
// DIFF_POLICIES, DIFF_CALLS and DIFF_SEED choose the random ones.
func TestAuthorization(t *testing.T) {
	seed := environment(t, "DIFF_SEED", 1)
	sets := environment(t, "DIFF_POLICIES", defaultPolicySets)
	calls := environment(t, "DIFF_POLICY_CALLS", defaultPolicyCalls)
	scenarios := istioPolicies(t)
	for _, s := range scenarios {
		s.calls = newRandomCalls(seed, s, int(calls))
	}
	for i := range sets {
		scenarios = append(scenarios, randomPolicies(seed+i, int(calls)))
	}
	inParallel(t, len(scenarios), func(t *testing.T, i int) {
		s := scenarios[i]
		l := &lab{T: t}
		defer l.close()
		var err error
		if s.sides, err = s.generate(l); err != nil {
			t.Fatalf("%s: %v\n%v", s.from, err, s)
		}
		filters := newRBACFilters(t, s)
		for i := range s.calls {
			s.want = append(s.want, filters.decide(&s.calls[i]))
			s.plain = append(s.plain, s.simulated(&s.calls[i]))
		}
	})
	count := &rbacCount{}
	for _, s := range scenarios {
		count.compare(t, s, "the simulator", s.plain)
	}
	t.Logf("%d sets of policies, simulated: %v", len(scenarios), count)
	lua := luaDecisions(t, scenarios)
	if lua == nil {
		return
	}
	count = &rbacCount{}
	for i, s := range scenarios {
		count.compare(t, s, "the Lua", lua[i])
	}
	t.Logf("%d sets of policies, in Lua: %v", len(scenarios), count)
}

// rbacCount counts decisions.
type rbacCount struct{ same, allowed, stricter, uncompared, failed int }

func (c *rbacCount) String() string {
	return fmt.Sprintf("%d decisions as Envoy's, %d of them to let in; %d told stricter, %d not compared",
		c.same, c.allowed, c.stricter, c.uncompared)
}

func (c *rbacCount) compare(t *testing.T, s *rbacScenario, who string, got []rbacDecision) {
	t.Helper()
	for i := range s.calls {
		call, want, have := &s.calls[i], s.want[i], got[i]
		switch {
		case have.why == rbacNoRequest, strings.Contains(call.Path, "#"):
			// Neither nginx nor Envoy's connection manager would let a policy see it.
			c.uncompared++
			continue
		case want.allowed == have.allowed && (!have.allowed || have.path == "" || have.path == want.path):
			c.same++
			if have.allowed {
				c.allowed++
			}
			continue
		case want.allowed && !have.allowed && s.toldStricter(call):
			c.stricter++
			continue
		}
		if c.failed++; c.failed <= 5 {
			t.Errorf("%s: %s lets in: %v (%s, path %q), Envoy: %v (%s, path %q): %+v\n%v",
				s.from, who, have.allowed, have.why, have.path, want.allowed, want.why, want.path, *call, s.policyText())
		}
	}
}

// toldStricter says that it was told, by a diagnostic or in the table, that a call may be refused which Envoy lets in.
func (s *rbacScenario) toldStricter(c *rbacCall) bool {
	for i := range s.sides.out.Diagnostics {
		switch d := &s.sides.out.Diagnostics[i]; d.Code {
		case "AuthorizationPolicyRefused", "AuthorizationConditionUnknown":
			return true
		case "AuthorizationServerName":
			if c.TCP && c.Peer == "" || strings.Contains(c.SNI, "._sa.") {
				return true
			}
		}
	}
	cookies := 0
	for _, h := range c.Headers {
		if strings.EqualFold(h[0], "cookie") {
			cookies++
		}
		if cookies > 1 || strings.EqualFold(h[0], "x-forwarded-for") && !validLastAddress(h[1]) {
			return true
		}
	}
	// A path that has to change cannot over HTTP/2.
	path, _, _ := strings.Cut(c.Path, "?")
	return !c.TCP && c.Port == rbacGRPC && envoyPath(path, s.normalization()) != path
}

func validLastAddress(list string) bool {
	_, err := netip.ParseAddr(strings.TrimSpace(list[strings.LastIndexByte(list, ',')+1:]))
	return err == nil
}

func (s *rbacScenario) normalization() meshconfig.MeshConfig_ProxyPathNormalization_NormalizationType {
	return s.mesh.GetPathNormalization().GetNormalization()
}

// rbacNoRequest is one that nginx does not take, or whose client is none of the mesh's, so that no policy sees it.
const rbacNoRequest = "refused before"

// decision is what somebody decided who says why.
func decision(allowed bool, why []string) rbacDecision {
	d := rbacDecision{allowed: allowed, why: strings.Join(why, "; ")}
	if !allowed && strings.Contains(d.why, "is of no trust domain of the mesh") {
		d.why = rbacNoRequest
	}
	return d
}

// simulated plays a call on APISIX's resources.
func (s *rbacScenario) simulated(c *rbacCall) rbacDecision {
	source, dest := netip.MustParseAddr(c.Source), netip.MustParseAddrPort(c.Dest)
	if c.TCP {
		res := s.sides.apisix.config.TCP(simulate.Connection{
			Inbound: true, Destination: dest, Captured: true, SNI: c.SNI, Peer: c.Peer, Source: source,
		})
		return decision(len(res.Destinations) > 0, res.Why)
	}
	in := simulate.Request{
		Method: c.Method, Host: c.Host, Path: c.Path, Header: map[string][]string{}, Source: source, OriginalDst: dest, Inbound: true,
		Peer: c.Peer, ServerName: c.SNI,
	}
	for _, h := range c.Headers {
		// Under one name, so that their order is kept.
		name := strings.ToLower(h[0])
		in.Header[name] = append(in.Header[name], h[1])
	}
	res := s.sides.apisix.config.HTTP(in)
	d := decision(res.Response == nil, res.Why)
	if res.Response != nil && res.Response.Status != 403 {
		d.why = rbacNoRequest
	}
	if len(res.Destinations) > 0 && res.Destinations[0].Request.Path != c.Path {
		d.path = res.Destinations[0].Request.Path
	}
	return d
}

// conf is the configuration of mesh-rbac on the routes of a port; nil where there is none.
func (s *rbacScenario) conf(kind apisix.Kind, id string) json.RawMessage {
	for _, r := range s.sides.out.Resources {
		if r.Kind != kind || r.ID != id {
			continue
		}
		var route struct{ Plugins map[string]json.RawMessage }
		if json.Unmarshal(r.JSON, &route) == nil {
			return route.Plugins["mesh-rbac"]
		}
	}
	return nil
}

// newRBACScenario is a workload with the policies.
func newRBACScenario(from, namespace string, labels map[string]string, m *meshconfig.MeshConfig, policies []object) *rbacScenario {
	listener := func(port uint32, protocol string) *networking.IstioIngressListener {
		return &networking.IstioIngressListener{
			Port: &networking.SidecarPort{Number: port, Protocol: protocol, Name: strings.ToLower(protocol)}, DefaultEndpoint: fmt.Sprintf("127.0.0.1:1%d", port),
		}
	}
	sidecar := object{config: &config.Config{
		Meta: config.Meta{GroupVersionKind: gvk.Sidecar, Namespace: namespace, Name: "workload", Domain: domain, CreationTimestamp: born(0)},
		Spec: &networking.Sidecar{
			WorkloadSelector: &networking.WorkloadSelector{Labels: labels},
			Ingress:          []*networking.IstioIngressListener{listener(rbacHTTP, "HTTP"), listener(rbacGRPC, "GRPC"), listener(rbacTCP, "TCP")},
			Egress:           []*networking.IstioEgressListener{{Hosts: []string{"./*"}}},
		},
	}}
	return &rbacScenario{from: from, scenario: &scenario{objects: append([]object{sidecar}, policies...), mesh: m, namespace: namespace, labels: labels}}
}

// policyText is the policies as YAML, with what the mesh says of them.
func (s *rbacScenario) policyText() string {
	only := scenario{objects: s.objects[1:], namespace: s.namespace, labels: s.labels}
	return fmt.Sprintf("# trust domains %s %v, paths %s\n%v", s.mesh.GetTrustDomain(), s.mesh.GetTrustDomainAliases(), s.normalization(), &only)
}

// policies are those of the scenario.
func (s *rbacScenario) policies() []*security.AuthorizationPolicy {
	var out []*security.AuthorizationPolicy
	for _, o := range s.objects {
		if p, ok := o.config.Spec.(*security.AuthorizationPolicy); ok {
			out = append(out, p)
		}
	}
	return out
}

// istioPolicies are the policies of Istio's own tests, with the trust domains of these.
func istioPolicies(t *testing.T) []*rbacScenario {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "istio.io/istio").Output()
	assert.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "pilot/pkg/security/authz/builder/testdata/*/*-in.yaml"))
	assert.NoError(t, err)
	var all []*rbacScenario
	for _, file := range files {
		policies := readPolicies(t, file)
		for _, domains := range [][]string{{"cluster.local"}, {"td1", "cluster.local"}, {"td1", "cluster.local", "some-td"}} {
			m := mesh.DefaultMeshConfig()
			m.RootNamespace, m.TrustDomain, m.TrustDomainAliases = "istio-config", domains[0], domains[1:]
			all = append(all, newRBACScenario(filepath.Base(file), "foo", map[string]string{"app": "httpbin", "version": "v1"}, m, policies))
		}
	}
	if len(all) == 0 {
		t.Fatal("Istio's module has no policies")
	}
	return all
}

func readPolicies(t *testing.T, file string) []object {
	t.Helper()
	content, err := os.ReadFile(file)
	assert.NoError(t, err)
	configs, _, err := crd.ParseInputs(string(content))
	assert.NoError(t, err)
	var out []object
	for i := range configs {
		c := &configs[i]
		c.Domain, c.CreationTimestamp = domain, born(i+1)
		out = append(out, object{config: c})
	}
	return slices.DeleteFunc(out, func(o object) bool {
		_, ok := o.config.Spec.(*security.AuthorizationPolicy)
		return !ok
	})
}
