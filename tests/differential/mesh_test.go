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
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	tcpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	meshconfig "istio.io/api/mesh/v1alpha1"
	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/pkg/networking/core"
	"istio.io/istio/pilot/pkg/networking/util"
	"istio.io/istio/pilot/pkg/serviceregistry/kube"
	"istio.io/istio/pilot/pkg/serviceregistry/util/label"
	"istio.io/istio/pilot/pkg/simulation"
	"istio.io/istio/pkg/cluster"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/mesh"
	"istio.io/istio/pkg/test"

	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/generate"
	"github.com/apisix-mesh/pilot-apisix/pilot-apisix/pkg/translate"
)

const (
	clusterID = cluster.ID("Kubernetes")
	domain    = "cluster.local"
)

// proxyLocality is where the proxy is.
const proxyLocality = "r1/z1/s1"

// topologyLabels are a proxy's labels with those that istiod adds for its locality.
func topologyLabels(labels map[string]string) map[string]string {
	return label.AugmentLabels(labels, clusterID, proxyLocality, "", "")
}

// object is one of Istio's, or a Kubernetes Service.
type object struct {
	config  *config.Config
	service *corev1.Service
}

// scenario is a configuration and the proxy that it is for.
type scenario struct {
	objects []object
	// mesh is nil for the default.
	mesh      *meshconfig.MeshConfig
	namespace string
	labels    map[string]string
	// versions are those of the Services' endpoints.
	versions []string
	// dns says that the proxy resolves names itself, with addresses that Istio allocates.
	dns bool
	// member says that the workload belongs to the Kubernetes Services of its namespace.
	member bool
	// family is the kind of its addresses.
	family family
	// routes are those of the Gateway API that some of the objects were converted from.
	routes []runtime.Object
	// router makes the proxy a gateway.
	router bool
}

// sides are what the two proxies get.
type sides struct {
	scenario *scenario

	env   *core.ConfigGenTest
	proxy *model.Proxy
	// envoy holds listeners and routes by name.
	envoy *simulation.Simulation
	// envoy6 holds those that hear IPv6, where envoy has only the others.
	envoy6 *simulation.Simulation
	routes map[string]*route.RouteConfiguration
	// weighted are the sets of clusters of TCP, by the names that stand for them in envoy.
	weighted map[string]*tcpv3.TcpProxy_WeightedCluster
	// clusters are Envoy's by name; made when they are asked for.
	clusters map[string]*clusterv3.Cluster
	out      *translate.Output
	apisix   *player
}

// lab is where one scenario is played: what it leaves behind goes when it is closed, not at the end of the test.
type lab struct {
	*testing.T
	undo []func()
}

// Cleanup is *testing.T's.
func (l *lab) Cleanup(f func()) { l.undo = append(l.undo, f) }

func (l *lab) close() {
	for _, f := range slices.Backward(l.undo) {
		f()
	}
}

// generate makes both sides.
func (s *scenario) generate(t test.Failer) (*sides, error) {
	t.Helper()
	opts := core.TestOptions{ClusterID: clusterID, MeshConfig: s.mesh}
	for _, o := range s.objects {
		if o.config != nil {
			opts.Configs = append(opts.Configs, o.config.DeepCopy())
			continue
		}
		svc := kube.ConvertService(*o.service, nil, domain, clusterID, domain)
		opts.Services = append(opts.Services, svc)
		opts.Instances = append(opts.Instances, s.instances(svc)...)
	}
	env := core.NewConfigGenTest(t, opts)
	nodeType := model.SidecarProxy
	if s.router {
		nodeType = model.Router
	}
	proxy := env.SetupProxy(&model.Proxy{
		Type:            nodeType,
		ID:              "app." + s.namespace,
		ConfigNamespace: s.namespace,
		DNSDomain:       s.namespace + ".svc." + domain,
		Labels:          topologyLabels(s.labels),
		Locality:        util.ConvertLocality(proxyLocality),
		IPAddresses:     s.addresses(clientIP),
		Metadata: &model.NodeMetadata{
			Namespace: s.namespace, Labels: s.labels, ClusterID: clusterID,
			DNSCapture: model.StringBool(s.dns), DNSAutoAllocate: model.StringBool(s.dns),
		},
	})
	out, err := generate.NewSource(env.Env().EndpointIndex).WithCredentials(secretsStandIn{}).Generate(proxy, &model.PushRequest{Push: env.PushContext()}, nil)
	if err != nil {
		return nil, err
	}
	x := &sides{scenario: s, env: env, proxy: proxy, out: out}
	if x.apisix, err = newPlayer(out); err != nil {
		return nil, err
	}
	x.generateEnvoy(t)
	return x, nil
}

// generateEnvoy makes Envoy's side, anew when it was made before: Istio lets the order of maps decide here and there.
func (x *sides) generateEnvoy(t test.Failer) {
	listeners := x.env.Listeners(x.proxy)
	lowerServerNames(listeners)
	x.weighted = singleClusters(t, listeners)
	x.envoy = &simulation.Simulation{Listeners: listeners, Routes: x.env.RoutesFromListeners(x.proxy, listeners)}
	if x.scenario.family != onlyIPv4 {
		all := x.envoy
		x.envoy, x.envoy6 = ofFamily(all, false), ofFamily(all, true)
	}
	x.routes = make(map[string]*route.RouteConfiguration, len(x.envoy.Routes))
	for _, r := range x.envoy.Routes {
		x.routes[r.Name] = r
	}
}

// lowerServerNames does what Envoy does when it reads a listener, and Istio's simulation does not: server names are compared in lower case, those
// of filter chains as well as those of clients.
func lowerServerNames(listeners []*listenerv3.Listener) {
	for _, l := range listeners {
		for _, chain := range l.FilterChains {
			if m := chain.FilterChainMatch; m != nil {
				for i, name := range m.ServerNames {
					m.ServerNames[i] = strings.ToLower(name)
				}
			}
		}
	}
}

// instances are the endpoints of a Kubernetes Service: one of each version on each port.
func (s *scenario) instances(svc *model.Service) []*model.ServiceInstance {
	if svc.Resolution == model.Alias {
		return nil
	}
	var out []*model.ServiceInstance
	for _, p := range svc.Ports {
		for i, v := range s.versions {
			out = append(out, &model.ServiceInstance{
				Service: svc, ServicePort: p,
				Endpoint: &model.IstioEndpoint{
					Addresses: s.addresses(fmt.Sprintf("10.7.%d.%d", len(svc.Hostname), i+1)), EndpointPort: uint32(p.Port), ServicePortName: p.Name,
					Labels: map[string]string{"version": v}, Namespace: svc.Attributes.Namespace,
				},
			})
		}
		if s.member && svc.Attributes.Namespace == s.namespace {
			out = append(out, &model.ServiceInstance{
				Service: svc, ServicePort: p,
				Endpoint: &model.IstioEndpoint{
					Addresses: s.addresses(clientIP), EndpointPort: uint32(p.Port), ServicePortName: p.Name, Labels: s.labels, Namespace: s.namespace,
				},
			})
		}
	}
	return out
}

// String is the configuration as YAML, with the proxy in the first line.
func (s *scenario) String() string {
	docs := make([]string, 0, len(s.objects)+1)
	header := fmt.Sprintf("# proxy: {namespace: %s, labels: %v}\n", s.namespace, s.labels)
	if s.dns {
		header += "# proxy metadata: DNS_CAPTURE, DNS_AUTO_ALLOCATE\n"
	}
	if s.family != onlyIPv4 {
		header += fmt.Sprintf("# proxy addresses: %v\n", s.addresses(clientIP))
	}
	if s.mesh != nil {
		header += fmt.Sprintf("# mesh: outboundTrafficPolicy %s, defaultHttpRetryPolicy %v\n", s.mesh.GetOutboundTrafficPolicy().GetMode(), s.mesh.DefaultHttpRetryPolicy)
	}
	for _, o := range s.objects {
		docs = append(docs, o.String())
	}
	for _, o := range s.routes {
		docs = append(docs, yamlText(o))
	}
	return header + strings.Join(docs, "---\n")
}

func (o object) String() string {
	var v any = o.service
	if o.config != nil {
		var err error
		if v, err = crd.ConvertConfig(*o.config); err != nil {
			return err.Error() + "\n"
		}
	}
	return yamlText(v)
}

// yamlText is an object as people write it.
func yamlText(v any) string {
	b, err := yaml.Marshal(v)
	if err != nil {
		return err.Error() + "\n"
	}
	var lines []string
	for line := range strings.Lines(string(b)) {
		if !strings.HasPrefix(line, "status:") && !strings.HasPrefix(line, "  loadBalancer: {}") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// name is "Kind namespace/name".
func (o object) name() string {
	if o.config != nil {
		return o.config.GroupVersionKind.Kind + " " + o.config.Namespace + "/" + o.config.Name
	}
	return "Service " + o.service.Namespace + "/" + o.service.Name
}

// born is the time of the n-th object: what is older wins in places, so it must not depend on the clock.
func born(n int) time.Time { return time.Date(2026, 1, 1, 0, 0, n, 0, time.UTC) }

// refusing is the mesh configuration of REGISTRY_ONLY.
func refusing() *meshconfig.MeshConfig {
	m := mesh.DefaultMeshConfig()
	m.OutboundTrafficPolicy = &meshconfig.MeshConfig_OutboundTrafficPolicy{Mode: meshconfig.MeshConfig_OutboundTrafficPolicy_REGISTRY_ONLY}
	return m
}
