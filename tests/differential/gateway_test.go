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
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tls "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/schema/gvk"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/translate"
	"github.com/apisix-mesh/pilot-apisix/pkg/apisix"
)

// TestGateways does for gateways what TestRandom does for sidecars.
func TestGateways(t *testing.T) {
	first := environment(t, "DIFF_SEED", 1)
	configs := environment(t, "DIFF_CONFIGS", defaultConfigs)
	calls := environment(t, "DIFF_CALLS", defaultCalls)
	n, found := &counts{}, &findings{}
	inParallel(t, int(configs), func(t *testing.T, i int) {
		seed := first + uint64(i)
		s := newGatewayScenario(seed)
		for _, d := range s.compare(t, s.gatewayCalls(seed, int(calls)), n) {
			found.add(d, fmt.Sprintf("DIFF_SEED=%d DIFF_CONFIGS=1", seed))
		}
	})
	t.Logf("%d gateways from seed %d:\n%s", configs, first, n)
	found.report(t)
}

// gatewayPorts are those of servers, by what they take.
var gatewayPorts = map[string][]uint32{"HTTP": {80, 8080}, "HTTPS": {443, 8443}, "TLS": {9443}, "TCP": {9000, 9001}}

// gatewayHosts are those of servers.
var gatewayHosts = []string{
	"*", "*", "*", "*.example", "*.example", "a.example", "b.example", "*.a.example", "*.test", "ns1/*", "ns1/*.example", "./*", "default/a.example", "*/b.example",
}

func newGatewayScenario(seed uint64) *scenario {
	r := &random{Rand: mathrand.New(mathrand.NewPCG(seed, 2))}
	r.scenario = &scenario{namespace: pick(r, namespaces), labels: map[string]string{"app": "a", "version": "v1"}, versions: versions, router: true}
	for range r.times(1, 4) {
		r.valid(r.serviceEntry)
	}
	for range r.times(0, 2) {
		r.kubeService()
	}
	for range r.times(0, 2) {
		r.valid(r.destinationRule)
	}
	for range r.times(1, 3) {
		r.valid(r.gateway)
	}
	var names []string
	for _, o := range r.scenario.objects {
		if o.config != nil && o.config.GroupVersionKind == gvk.Gateway {
			names = append(names, o.config.Namespace+"/"+o.config.Name)
		}
	}
	for range r.times(1, 4) {
		r.valid(func() (config.GroupVersionKind, proto.Message) { return r.gatewayRoutes(names) })
	}
	return r.scenario
}

func (r *random) gateway() (config.GroupVersionKind, proto.Message) {
	g := &networking.Gateway{}
	if r.maybe(2) {
		g.Selector = map[string]string{"app": pick(r, []string{"a", "a", "a", "a", "a", "b"})}
	}
	for range r.times(1, 4) {
		kind := pick(r, []string{"HTTP", "HTTP", "HTTPS", "HTTPS", "TLS", "TCP"})
		s := &networking.Server{Port: &networking.Port{Number: pick(r, gatewayPorts[kind]), Protocol: kind, Name: r.name()}, Hosts: some(r, gatewayHosts, 2)}
		switch kind {
		case "HTTP":
			if r.maybe(4) {
				s.Tls = &networking.ServerTLSSettings{HttpsRedirect: true}
			}
		case "HTTPS":
			s.Tls = &networking.ServerTLSSettings{Mode: networking.ServerTLSSettings_SIMPLE, CredentialName: "one"}
			if r.maybe(3) {
				s.Tls = &networking.ServerTLSSettings{Mode: networking.ServerTLSSettings_ISTIO_MUTUAL}
			}
		case "TLS":
			s.Tls = &networking.ServerTLSSettings{Mode: networking.ServerTLSSettings_PASSTHROUGH}
		}
		g.Servers = append(g.Servers, s)
	}
	return gvk.Gateway, g
}

// spec is that of an object, if it is of the kind.
func spec[T any](o object) (T, bool) {
	if o.config == nil {
		var none T
		return none, false
	}
	t, ok := o.config.Spec.(T)
	return t, ok
}

// gatewayRoutes is a VirtualService that is bound to some of the gateways.
func (r *random) gatewayRoutes(names []string) (config.GroupVersionKind, proto.Message) {
	kind, m := r.virtualService()
	vs := m.(*networking.VirtualService)
	vs.Gateways = some(r, names, 2)
	if r.maybe(6) {
		vs.Gateways = append(vs.Gateways, "mesh")
	}
	for _, rule := range vs.Http {
		for _, match := range rule.Match {
			if r.maybe(6) {
				match.Gateways = some(r, vs.Gateways, 1)
			}
		}
	}
	if !r.maybe(4) {
		vs.Hosts = some(r, []string{"a.example", "b.example", "*.example", "x.a.example", "caps.example", "*.test"}, 2)
	}
	if r.maybe(4) {
		vs.Tls = []*networking.TLSRoute{{
			Match: []*networking.TLSMatchAttributes{{SniHosts: vs.Hosts}},
			Route: []*networking.RouteDestination{{Destination: r.destination()}},
		}}
	}
	return kind, vs
}

// gatewayCalls makes n calls to the ports of the scenario's gateways.
func (s *scenario) gatewayCalls(seed uint64, n int) []*call {
	out := s.calls(seed, n)
	r := &random{Rand: mathrand.New(mathrand.NewPCG(seed, 3))}
	var servers []*networking.Server
	for _, o := range s.objects {
		if g, ok := spec[*networking.Gateway](o); ok {
			servers = append(servers, g.Servers...)
		}
	}
	for _, c := range out {
		kind := pick(r, []string{"HTTP", "HTTPS", "TLS", "TCP"})
		c.gateway, c.inbound, c.address = true, false, clientIP
		c.port = int(pick(r, gatewayPorts[kind]))
		if !r.maybe(12) {
			server := pick(r, servers)
			kind, c.port = server.Port.Protocol, int(server.Port.Number)
		}
		if c.transport == overHTTP {
			if r.maybe(2) {
				c.host = pick(r, []string{"a.example", "b.example", "x.a.example", "w.example", "caps.example", "w.test", "deep.w.test", "a.example:80"})
			}
			if kind == "HTTPS" {
				name, _, _ := strings.Cut(strings.ToLower(c.host), ":")
				c.tls, c.sni = true, strings.TrimSuffix(name, ".")
				if r.maybe(8) {
					c.sni = pick(r, []string{"a.example", "b.example", "x.a.example"})
				}
			}
		} else if c.transport == overTLS && r.maybe(2) {
			c.sni = pick(r, []string{"a.example", "b.example", "x.a.example", "w.test"})
		}
		c.mesh = r.maybe(3)
	}
	return out
}

// redirectToTLS is Envoy's answer to plain text (SslRedirectRoute).
func (c *call) redirectToTLS() *answer {
	a := c.localReply(http.StatusMovedPermanently, "")
	// Envoy leaves a port in that would be wrong; docs/reference/fidelity.md says that ours does not.
	a.set(location, "https://"+strings.TrimSuffix(c.host, ":80")+c.path)
	a.where = "TLS is required"
	return a
}

// listen reads the parts of a gateway that have no route.
func (p *player) listen(r *translate.Resource) {
	switch r.Kind {
	case apisix.PluginMetadata:
		var metadata struct {
			Listeners []struct {
				Port        int                        `json:"port"`
				Protocol    string                     `json:"protocol"`
				IstioMutual []struct{ Names []string } `json:"istio_mutual"`
				Others      []string                   `json:"others"`
			} `json:"listeners"`
		}
		if json.Unmarshal(r.JSON, &metadata) == nil {
			for _, l := range metadata.Listeners {
				p.listeners[l.Port] = l.Protocol
				for _, s := range l.IstioMutual {
					for _, name := range s.Names {
						p.mutual[mutualName{l.Port, name}] = true
					}
				}
				for _, name := range l.Others {
					if len(l.IstioMutual) > 0 {
						p.mutual[mutualName{l.Port, name}] = false
					}
				}
			}
		}
	case apisix.SSLs:
		var ssl struct {
			SNI string `json:"sni"`
		}
		if json.Unmarshal(r.JSON, &ssl) == nil {
			p.certificates[ssl.SNI] = true
		}
	}
}

// terminates says that a call begins as a listener of that kind wants it.
func (p *player) terminates(c *call, kind string) bool {
	switch kind {
	case apisix.ListenHTTP:
		return c.transport == overHTTP && !c.tls
	case apisix.ListenHTTPS:
		return c.transport == overHTTP && c.tls && p.answered(c)
	case apisix.ListenTLS:
		return c.transport == overTLS && p.answered(c)
	}
	return true
}

// answered says that TLS is. A client with a certificate of the mesh is none of other servers', as in Istio's simulation.
func (p *player) answered(c *call) bool {
	if p.mutually(c.port, c.sni) {
		return c.mesh
	}
	return !c.mesh && p.certified(c.sni)
}

// mutualName is a server name of a port.
type mutualName struct {
	port int
	name string
}

// mutually follows apisix.mesh.mutual_servers: it says that a name is answered with the workload's own certificate.
func (p *player) mutually(port int, name string) bool {
	mutual, found := p.mutual[mutualName{port, name}]
	for rest := name; !found; {
		_, parent, dot := strings.Cut(rest, ".")
		if !dot {
			return p.mutual[mutualName{port, "*"}]
		}
		mutual, found = p.mutual[mutualName{port, "*." + parent}]
		rest = parent
	}
	return mutual
}

// certified follows match_and_set of APISIX's radixtree_sni; without a server name it is "*" by configuration.
func (p *player) certified(name string) bool {
	if name != "" && p.certificates[name] {
		return true
	}
	// The longest wildcard is the only one that is asked.
	for rest := name; rest != ""; {
		_, parent, found := strings.Cut(rest, ".")
		if !found {
			break
		}
		if p.certificates["*."+parent] {
			return rest == name
		}
		rest = parent
	}
	return p.certificates["*"]
}

// secretsStandIn has one certificate for everybody.
type secretsStandIn struct{}

var anyCertificate = sync.OnceValues(func() (cert, key []byte) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		panic(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		panic(err)
	}
	encode := func(kind string, b []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}) }
	return encode("CERTIFICATE", der), encode("PRIVATE KEY", private)
})

func (secretsStandIn) Generate(_ *model.Proxy, w *model.WatchedResource, _ *model.PushRequest) (model.Resources, model.XdsLogDetails, error) {
	cert, key := anyCertificate()
	inline := func(b []byte) *corev3.DataSource {
		return &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: b}}
	}
	var out model.Resources
	for name := range w.ResourceNames {
		secret, err := anypb.New(&tls.Secret{Name: name, Type: &tls.Secret_TlsCertificate{
			TlsCertificate: &tls.TlsCertificate{CertificateChain: inline(cert), PrivateKey: inline(key)},
		}})
		if err != nil {
			return nil, model.DefaultXdsLogDetails, err
		}
		out = append(out, &discovery.Resource{Name: name, Resource: secret})
	}
	return out, model.DefaultXdsLogDetails, nil
}
